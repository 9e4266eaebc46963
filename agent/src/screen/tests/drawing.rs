//! Every state as it is seen, at the smallest size and at that of a usual virtual screen.
//!
//! The pictures are in `snapshots/`; `UPDATE_EXPECT=1 cargo test` draws them anew.

use std::path::PathBuf;
use std::time::Duration;

use expect_test::expect_file;
use nixvm_answers::answers::Finish;
use nixvm_answers::password::Secret;

use super::*;
use crate::event::{Leaving, PasswordOrigin};
use crate::machine::{Firmware, Hypervisor, Machine};
use crate::plan::Refusal;
use crate::screen::dialog::Dialog;

/// Compares with the pictures called `name`.
fn check(name: &str, rig: &Rig) {
    for (width, height) in [(80, 25), (160, 50)] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join(format!("src/screen/tests/snapshots/{name}-{width}x{height}.txt"));
        expect_file![path].assert_eq(&rig.frame(width, height));
    }
}

fn log(rig: &mut Rig, count: usize) {
    rig.model.log = (1..=count).map(|n| format!("copying path '/nix/store/{n:032}-x'")).collect();
}

/// Half of the copy is done.
fn copying(mut rig: Rig) -> Rig {
    rig.steps(&[(Step::Partition, 2.14), (Step::Configure, 0.6)], Step::System);
    for second in 0..=12 {
        rig.event(Event::Progress { bytes_done: second * 50_000_000, bytes_total: 1_234_000_000 });
        rig.pass(Duration::from_secs(1));
    }
    log(&mut rig, 40);
    rig
}

fn finished(origin: PasswordOrigin) -> Rig {
    let mut rig = Rig::installing();
    let done = Step::ALL.map(|step| (step, 1.5));
    rig.steps(&done, Step::Handover);
    rig.event(Event::Progress { bytes_done: 1_234_000_000, bytes_total: 1_234_000_000 });
    rig.event(Event::Password { origin });
    rig.enter(State::Finished, "web is installed.");
    log(&mut rig, 40);
    rig
}

#[test]
fn preflight() {
    check("preflight", &Rig::new());
}

#[test]
fn waiting_for_a_disk() {
    let small = DiskView {
        summary: "/dev/vda, 1.0 GB".to_owned(),
        ineligible: Some("it has 1.0 GB, and 8.0 GB are needed".to_owned()),
        ..disk("vda")
    };
    let mut rig = Rig::with_disks(vec![small, medium()]);
    rig.enter(
        State::WaitingForDisk,
        "No disk can be used yet. Attach one to the VM; the install then starts by itself.",
    );
    check("waiting", &rig);
}

#[test]
fn choosing_among_three() {
    let mut rig = Rig::with_disks(vec![disk("vda"), windows("vdb"), disk("vdc"), medium()]);
    rig.enter(State::Choosing, "Several disks can be used: vda, vdb, vdc.");
    rig.key(Key::Down);
    check("choosing", &rig);
}

#[test]
fn choosing_among_more_than_fit() {
    let disks = ('a'..='z').map(|letter| disk(&format!("vd{letter}"))).collect();
    let mut rig = Rig::with_disks(disks);
    rig.enter(State::Choosing, "Several disks can be used.");
    for _ in 0..20 {
        rig.key(Key::Down);
    }
    check("choosing-many", &rig);
    rig.key(Key::Char('2'));
    assert!(rig.frame(80, 25).contains("► 2 /dev/vdb"));
}

#[test]
fn counting_down() {
    let mut rig = Rig::consent();
    rig.event(Event::Countdown { seconds_left: 9 });
    log(&mut rig, 3);
    check("countdown", &rig);
}

#[test]
fn countdown_stopped() {
    let mut rig = Rig::consent();
    rig.enter(State::Consent, "The countdown was stopped.");
    check("held", &rig);
    rig.plan(with_password_answered(plan("vda")));
    assert!(rig.frame(80, 25).contains("Password    given (from kernel command line)"));
    assert!(!rig.frame(80, 25).contains(" P  Password"));
}

fn asked_for_data() -> Rig {
    let mut rig = Rig::with_disks(vec![windows("vda"), disk("vdb"), medium()]);
    rig.enter(State::Consent, "Nothing is done until somebody confirms it.");
    rig.plan(plan_for_windows("vda"));
    rig
}

#[test]
fn asked_whether_data_may_be_erased() {
    let mut rig = asked_for_data();
    check("data", &rig);
    rig.key(Key::Char('i'));
    rig.type_text("vdb");
    rig.key(Key::Enter);
    rig.type_text("v");
    check("data-typing", &rig);
}

#[test]
fn a_disk_with_very_much_on_it() {
    let mut rig = Rig::with_disks(vec![disk("vda")]);
    let mut plan = plan_for_windows("vda");
    plan.target.erases = (1..=60).map(|n| format!("partition {n}: ext4, 1.0 GB")).collect();
    rig.enter(State::Consent, "Nothing is done until somebody confirms it.");
    rig.plan(plan);
    rig.key(Key::Char('i'));
    check("data-much", &rig);
}

#[test]
fn a_name_is_changed() {
    let mut rig = Rig::consent();
    rig.key(Key::Char('h'));
    rig.type_text(".example");
    rig.key(Key::Enter);
    check("name", &rig);
}

#[test]
fn copying_and_asking_for_a_password() {
    let mut rig = copying(Rig::installing());
    rig.type_text("correct horse");
    rig.key(Key::Enter);
    rig.type_text("corr");
    check("password", &rig);
    assert!(!rig.frame(80, 25).contains("corr"), "it is hidden");
    rig.key(Key::Control('r'));
    assert!(rig.frame(80, 25).contains("correct horse"));
}

#[test]
fn copying_unasked() {
    let mut rig = copying(Rig::installing());
    rig.key(Key::Escape);
    rig.event(Event::Warning { message: "The clock is wrong.".to_owned() });
    check("copying", &rig);
    rig.key(Key::Char('c'));
    check("cancel", &rig);
}

#[test]
fn no_time_is_promised_before_it_is_known() {
    let mut rig = Rig::installing();
    rig.steps(&[], Step::System);
    rig.event(Event::Progress { bytes_done: 0, bytes_total: 1000 });
    rig.pass(Duration::from_secs(2));
    rig.event(Event::Progress { bytes_done: 999, bytes_total: 1000 });
    let frame = rig.frame(80, 25);
    assert!(frame.contains("99 %") && !frame.contains("left"), "{frame}");
    rig.pass(Duration::from_secs(60));
    let frame = rig.frame(80, 25);
    assert!(frame.contains("nothing has arrived for a while"), "{frame}");
}

#[test]
fn installed() {
    let mut rig = finished(PasswordOrigin::Typed);
    rig.event(Event::Leaving(Leaving { how: Finish::Reboot, at_uptime_ms: Some(109_500) }));
    rig.verdict(Outcome::Finished, None);
    check("finished", &rig);
    rig.pass(Duration::from_secs(10));
    assert!(rig.frame(80, 25).contains("Restarting..."));
}

#[test]
fn installed_with_a_password_made_up() {
    let mut rig = finished(PasswordOrigin::MadeUp);
    rig.model.made_up = Some(Secret::new("bcde-fghi-jkno-prst".to_owned()));
    rig.event(Event::Leaving(Leaving { how: Finish::Reboot, at_uptime_ms: None }));
    rig.verdict(Outcome::Finished, None);
    assert!(rig.frame(80, 25).contains("so change it"));
    rig.model.expired = true;
    check("finished-made-up", &rig);
}

#[test]
fn failed() {
    let mut rig = copying(Rig::installing());
    rig.key(Key::Escape);
    let problem = Problem {
        kind: "step-system".to_owned(),
        message: "Copy the system failed: cannot copy the system: `nix copy --to \
                  local?root=/mnt /nix/store/x-nixos-system` failed with exit status: 1: error: \
                  writing to file: No space left on device"
            .to_owned(),
        hint: "The disk does not boot and may be installed to again. Look at the log, \
               /run/nixvm/install.log, remove the cause, and retry."
            .to_owned(),
    };
    rig.enter(State::Failed, &problem.message);
    rig.verdict(Outcome::Failed, Some(problem.clone()));
    check("failed", &rig);
    let long = Problem { message: "a line of what a program said\n".repeat(40), ..problem };
    rig.verdict(Outcome::Failed, Some(long));
    check("failed-long", &rig);
}

#[test]
fn the_log_of_a_failure() {
    let mut rig = copying(Rig::installing());
    rig.enter(State::Failed, "Copy the system failed.");
    rig.pass(Duration::from_secs(5));
    rig.key(Key::Char('l'));
    let Some(Dialog::Log(view)) = &mut rig.model.dialog else { panic!("the log is shown") };
    view.lines = (1..=300).map(|n| format!("[{n}.000] line {n}")).collect();
    rig.key(Key::PageUp);
    check("log", &rig);
    rig.key(Key::Escape);
    assert!(rig.frame(80, 25).contains("The install failed"));
}

fn refused(machine: Machine, refusal: &Refusal) -> Rig {
    let mut rig = Rig::with_disks(vec![disk("vda"), medium()]);
    rig.event(Event::Machine(machine));
    let problem = refusal.problem();
    rig.enter(State::Refused, &problem.message);
    rig.verdict(Outcome::Refused, Some(problem));
    rig
}

#[test]
fn refused_on_bios() {
    let hypervisor = Hypervisor::Virtualbox;
    let machine = Machine { firmware: Firmware::Bios, hypervisor, ..testing::machine() };
    let rig = refused(machine, &Refusal::Bios { hypervisor });
    check("bios", &rig);
    assert!(!rig.frame(80, 25).contains("Retry"), "it would say the same");
}

#[test]
fn refused_for_wrong_answers() {
    let problems = vec![
        "nixvm.toml on /dev/sdb1, line 3, column 9: \"a b\" is not a host name: it has ' ' in it\n    \
         letters, digits and hyphens may be in it"
            .to_owned(),
        "kernel command line: there is no answer \"diks\"".to_owned(),
    ];
    check("answers", &refused(testing::machine(), &Refusal::Answers { problems }));
}

#[test]
fn cancelled() {
    let mut rig = copying(Rig::installing());
    rig.enter(State::Cancelled, "The install was cancelled; the disk does not boot.");
    rig.verdict(Outcome::Cancelled, None);
    check("cancelled", &rig);
}

#[test]
fn installed_already() {
    let installed = DiskView {
        condition: Condition::Installed,
        contents: vec!["partition 1: vfat \"boot\", 537 MB".to_owned()],
        ..disk("vda")
    };
    let mut rig = Rig::with_disks(vec![installed, disk("vdb"), medium()]);
    rig.enter(State::InstalledAlready, "vda carries the system web already.");
    rig.event(Event::Leaving(Leaving { how: Finish::Reboot, at_uptime_ms: Some(115_000) }));
    rig.verdict(Outcome::InstalledAlready, None);
    check("installed-already", &rig);
    rig.key(Key::Char('i'));
    check("reinstall", &rig);
}

#[test]
fn no_size_is_too_small_to_draw() {
    let mut rigs = vec![Rig::new(), asked_for_data(), copying(Rig::installing())];
    rigs.push(finished(PasswordOrigin::MadeUp));
    rigs[1].key(Key::Char('i'));
    for rig in &rigs {
        for (width, height) in [(1, 1), (1, 60), (200, 1), (10, 5), (40, 10), (79, 24), (132, 43)] {
            rig.frame(width, height);
        }
    }
}

#[test]
fn what_comes_from_outside_does_no_harm() {
    let strange = DiskView {
        summary: "/dev/vda, 21 GB, \x1b[2J\u{202e}Данные 漢字".to_owned(),
        ..disk("vda")
    };
    let mut rig = Rig::with_disks(vec![strange]);
    rig.enter(State::Choosing, "m");
    let frame = rig.frame(80, 25);
    assert!(frame.contains("?????? "), "{frame}");
    assert!(frame.lines().skip(5).any(|line| line.contains("[2J")), "{frame}");
}
