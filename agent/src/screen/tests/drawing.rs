//! Every state as it is seen, at the smallest usual size and at that of a usual virtual screen.
//!
//! The pictures are in `snapshots/`; `UPDATE_EXPECT=1 cargo test` draws them anew.

use std::path::PathBuf;
use std::time::Duration;

use expect_test::expect_file;
use nixvm_answers::answers::Finish;
use nixvm_answers::password::Secret;

use super::*;
use crate::event::{PasswordOrigin, ScheduledFinish};
use crate::machine::{Firmware, Hypervisor, Machine};
use crate::plan::Refusal;
use crate::screen::dialog::Dialog;

/// Compares with the pictures called `name`, and looks at larger screens.
pub(super) fn check(name: &str, fixture: &Fixture) {
    check_at(name, fixture, &[(80, 25), (160, 50)]);
    let content = |width, height| -> Vec<String> {
        let frame = fixture.frame(width, height);
        let body = frame.lines().skip(1).take(usize::from(height) - 1);
        body.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    };
    assert_eq!(content(240, 75), content(320, 100), "{name}: only the place changes with the size");
}

pub(super) fn check_at(name: &str, fixture: &Fixture, sizes: &[(u16, u16)]) {
    for (width, height) in sizes {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join(format!("src/screen/tests/snapshots/{name}-{width}x{height}.txt"));
        expect_file![path].assert_eq(&fixture.frame(*width, *height));
    }
}

fn log(fixture: &mut Fixture, count: usize) {
    fixture.model.log =
        (1..=count).map(|n| format!("copying path '/nix/store/{n:032}-x'")).collect();
}

/// Half of the copy is done.
pub(super) fn copying(mut fixture: Fixture) -> Fixture {
    fixture.steps(&[(Step::Partition, 2.14), (Step::Configure, 0.6)], Step::System);
    for second in 0..=12 {
        fixture
            .event(Event::Progress { bytes_done: second * 50_000_000, bytes_total: 1_234_000_000 });
        fixture.pass(Duration::from_secs(1));
    }
    log(&mut fixture, 40);
    fixture
}

pub(super) fn finished(origin: PasswordOrigin) -> Fixture {
    let mut fixture = Fixture::installing();
    let done = Step::ALL.map(|step| (step, 1.5));
    fixture.steps(&done, Step::Handover);
    fixture.event(Event::Progress { bytes_done: 1_234_000_000, bytes_total: 1_234_000_000 });
    fixture.event(Event::Password { origin });
    fixture.enter(State::Installed, "web is installed on /dev/vda.");
    log(&mut fixture, 40);
    fixture
}

#[test]
fn preflight() {
    check("preflight", &Fixture::new());
}

#[test]
fn waiting_for_a_disk() {
    let small = DiskView {
        summary: "/dev/vda, 7.9 GiB".to_owned(),
        size_bytes: (8 << 30) - (1 << 20),
        ineligible: Some(Ineligible::TooSmall { minimum_bytes: 8 << 30 }.into()),
        ..disk("vda")
    };
    let mut fixture = Fixture::with_disks(vec![small, medium()]);
    fixture.enter(
        State::WaitingForDisk,
        "No usable disk yet. Add one in the VM's settings; the installation then starts by itself.",
    );
    check("waiting", &fixture);
}

#[test]
fn choosing_among_three() {
    let mut fixture = Fixture::with_disks(vec![disk("vda"), windows("vdb"), disk("vdc"), medium()]);
    fixture.enter(State::ChoosingDisk, "Several disks can be used: vda, vdb, vdc.");
    fixture.key(Key::Down);
    check("choosing", &fixture);
}

#[test]
fn choosing_among_more_than_fit() {
    let disks = ('a'..='z').map(|letter| disk(&format!("vd{letter}"))).collect();
    let mut fixture = Fixture::with_disks(disks);
    fixture.enter(State::ChoosingDisk, "Several disks can be used.");
    for _ in 0..20 {
        fixture.key(Key::Down);
    }
    check_at("choosing-many", &fixture, &[(80, 25), (160, 50)]);
    fixture.key(Key::Char('2'));
    assert!(fixture.frame(80, 25).contains("► 2 /dev/vdb"));
}

#[test]
fn counting_down() {
    let mut fixture = Fixture::counting_down();
    log(&mut fixture, 3);
    check("countdown", &fixture);
    check_at("countdown", &fixture, &[(40, 12), (240, 75), (320, 100)]);
}

#[test]
fn what_the_plan_warns_of_is_shown_before_anything_is_written() {
    let mut fixture = Fixture::counting_down();
    let mut warned = plan("vda");
    warned.warnings = vec!["/dev/vdb has a file system labelled nixos.".to_owned()];
    fixture.plan(warned);
    assert!(fixture.frame(80, 25).contains("! /dev/vdb has a file system labelled nixos."));
}

#[test]
fn countdown_stopped() {
    let mut fixture = Fixture::counting_down();
    fixture.enter(State::AwaitingConfirmation, "The countdown was stopped.");
    check("held", &fixture);
    fixture.plan(with_password_answered(plan("vda")));
    assert!(fixture.frame(80, 25).contains("Password    set (from kernel command line)"));
    assert!(!fixture.frame(80, 25).contains(" P  Password"));
}

pub(super) fn asked_for_data() -> Fixture {
    let mut fixture = Fixture::with_disks(vec![windows("vda"), disk("vdb"), medium()]);
    fixture.enter(State::AwaitingConfirmation, "Waiting for confirmation.");
    fixture.plan(plan_for_windows("vda"));
    fixture
}

#[test]
fn asked_whether_data_may_be_erased() {
    let mut fixture = asked_for_data();
    check("data", &fixture);
    fixture.key(Key::Char('i'));
    fixture.type_text("vdb");
    fixture.key(Key::Enter);
    fixture.type_text("v");
    check("data-typing", &fixture);
}

#[test]
fn a_disk_with_very_much_on_it() {
    let mut fixture = Fixture::with_disks(vec![disk("vda")]);
    let mut plan = plan_for_windows("vda");
    plan.target.erases = (1..=60).map(|n| format!("partition {n}: ext4, 1 GiB")).collect();
    fixture.enter(State::AwaitingConfirmation, "Waiting for confirmation.");
    fixture.plan(plan);
    fixture.key(Key::Char('i'));
    check_at("data-much", &fixture, &[(80, 25), (160, 50)]);
}

#[test]
fn a_name_is_changed() {
    let mut fixture = Fixture::awaiting_confirmation();
    fixture.key(Key::Char('h'));
    fixture.type_text(".example");
    fixture.key(Key::Enter);
    check("name", &fixture);
}

#[test]
fn the_keymap_is_searched() {
    let mut fixture = Fixture::awaiting_confirmation();
    fixture.key(Key::Char('k'));
    fixture.type_text("de");
    fixture.key(Key::Down);
    check("keymap", &fixture);
}

#[test]
fn copying_and_asking_for_a_password() {
    let mut fixture = copying(Fixture::installing());
    fixture.type_text("correct horse");
    fixture.key(Key::Enter);
    fixture.type_text("corr");
    check("password", &fixture);
    assert!(!fixture.frame(80, 25).contains("corr"), "it is hidden");
    fixture.key(Key::Control('r'));
    assert!(fixture.frame(80, 25).contains("correct horse"));
}

#[test]
fn copying_unasked() {
    let mut fixture = copying(Fixture::installing());
    fixture.key(Key::Escape);
    fixture.event(Event::Warning { message: "The clock is wrong.".to_owned() });
    check("copying", &fixture);
    fixture.key(Key::Char('c'));
    check("cancel", &fixture);
}

#[test]
fn no_time_is_promised_before_it_is_known() {
    let mut fixture = Fixture::installing();
    fixture.steps(&[], Step::System);
    fixture.event(Event::Progress { bytes_done: 0, bytes_total: 1000 });
    fixture.pass(Duration::from_secs(2));
    fixture.event(Event::Progress { bytes_done: 999, bytes_total: 1000 });
    let frame = fixture.frame(80, 25);
    assert!(frame.contains("77 %") && !frame.contains("left to copy"), "{frame}");
    fixture.pass(Duration::from_secs(60));
    let frame = fixture.frame(80, 25);
    assert!(frame.contains("no progress for a while"), "{frame}");
}

#[test]
fn installed() {
    let mut fixture = finished(PasswordOrigin::Typed);
    fixture.event(Event::FinishScheduled(ScheduledFinish {
        action: Finish::Reboot,
        at_uptime_ms: Some(109_500),
    }));
    fixture.verdict(Outcome::Installed, None);
    check("finished", &fixture);
    fixture.pass(Duration::from_secs(10));
    assert!(fixture.frame(80, 25).contains("Restarting..."));
}

#[test]
fn installed_with_a_password_made_up() {
    let mut fixture = finished(PasswordOrigin::Generated);
    fixture.model.generated = Some(Secret::new("bcde-fghi-jkno-prst".to_owned()));
    fixture.event(Event::FinishScheduled(ScheduledFinish {
        action: Finish::Reboot,
        at_uptime_ms: None,
    }));
    fixture.verdict(Outcome::Installed, None);
    assert!(fixture.frame(80, 25).contains("change it after you log in"));
    fixture.model.expired = true;
    check("finished-made-up", &fixture);
    check_at("finished-made-up", &fixture, &[(40, 12)]);
}

#[test]
fn failed() {
    let mut fixture = copying(Fixture::installing());
    fixture.key(Key::Escape);
    let problem = Problem {
        kind: "step-failed".to_owned(),
        message: "Copy the system failed: `nix copy --to \
                  local?root=/mnt /nix/store/x-nixos-system` failed with exit status: 1: error: \
                  writing to file: No space left on device"
            .to_owned(),
        hint: "The disk will not boot. You can install to it again. See the log, \
               /run/nixvm/install.log, fix the cause, then retry."
            .to_owned(),
        step: Some("system".to_owned()),
    };
    fixture.enter(State::Failed, &problem.message);
    fixture.verdict(Outcome::Failed, Some(problem.clone()));
    check("failed", &fixture);
    let long = Problem { message: "a line of what a program said\n".repeat(40), ..problem };
    fixture.verdict(Outcome::Failed, Some(long));
    check("failed-long", &fixture);
}

#[test]
fn the_log_of_a_failure() {
    let mut fixture = copying(Fixture::installing());
    fixture.enter(State::Failed, "Copy the system failed.");
    fixture.pass(Duration::from_secs(5));
    fixture.key(Key::Char('l'));
    let Some(Dialog::Log(view)) = &mut fixture.model.dialog else { panic!("the log is shown") };
    view.lines = (1..=300).map(|n| format!("[{n}.000] line {n}")).collect();
    fixture.key(Key::PageUp);
    check_at("log", &fixture, &[(80, 25), (160, 50)]);
    fixture.key(Key::Escape);
    assert!(fixture.frame(80, 25).contains("Installation failed"));
}

fn refused(machine: Machine, refusal: &Refusal) -> Fixture {
    let mut fixture = Fixture::with_disks(vec![disk("vda"), medium()]);
    fixture.event(Event::Machine(machine));
    let problem = refusal.problem();
    fixture.enter(State::Refused, &problem.message);
    fixture.verdict(Outcome::Refused, Some(problem));
    fixture
}

#[test]
fn refused_on_bios() {
    let hypervisor = Hypervisor::Virtualbox;
    let machine =
        Machine { firmware: Firmware::Bios, hypervisor, ..crate::machine::examples::machine() };
    let fixture = refused(machine, &Refusal::NotUefi { hypervisor });
    check("bios", &fixture);
    assert!(!fixture.frame(80, 25).contains("Retry"), "it would say the same");
}

#[test]
fn refused_for_wrong_answers() {
    let problems = vec![
        "nixvm.toml on /dev/sdb1, line 3, column 9: \"a b\" is not a host name: it has ' ' in it\n    \
         letters, digits and hyphens may be in it"
            .to_owned(),
        "kernel command line: there is no answer \"diks\"".to_owned(),
    ];
    check(
        "answers",
        &refused(crate::machine::examples::machine(), &Refusal::InvalidAnswers { problems }),
    );
}

#[test]
fn cancelled() {
    let mut fixture = copying(Fixture::installing());
    fixture.enter(State::Cancelled, "Installation cancelled. The disk will not boot.");
    fixture.verdict(Outcome::Cancelled, None);
    check("cancelled", &fixture);
}

#[test]
fn installed_already() {
    let installed = DiskView {
        condition: Condition::Installed,
        contents: vec!["partition 1: vfat \"boot\", 512 MiB".to_owned()],
        ..disk("vda")
    };
    let mut fixture = Fixture::with_disks(vec![installed, disk("vdb"), medium()]);
    fixture.enter(State::AlreadyInstalled, "NixOS is already installed on vda, as web.");
    fixture.event(Event::FinishScheduled(ScheduledFinish {
        action: Finish::Reboot,
        at_uptime_ms: Some(115_000),
    }));
    fixture.verdict(Outcome::AlreadyInstalled, None);
    check("installed-already", &fixture);
    fixture.key(Key::Char('i'));
    check("reinstall", &fixture);
}
