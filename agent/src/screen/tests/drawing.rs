//! Every state as it is seen, at the smallest usual size and at that of a usual virtual screen.
//!
//! The pictures are in `snapshots/`; `UPDATE_EXPECT=1 cargo test` draws them anew. What they show is what
//! an installer's session publishes ([`Replay`]), but for three, whose texts are put together here: a
//! check that takes long (in `content.rs`) would need Nix, and nothing that was recorded fails with a very
//! long message or has a long log.

use std::path::PathBuf;

use expect_test::expect_file;
use nixvm_answers::{Source, command_line, document};

use super::disks::{blank, installed, medium, windows, with_partitions};
use super::replay::Replay;
use super::*;
use crate::disk::Disk;
use crate::machine::{Firmware, Hypervisor, Machine};
use crate::screen::dialog::Dialog;
use crate::session::examples::{FAILED, INSTALLED, copies};

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

/// A machine with these disks, whose installs go well.
fn machine(disks: Vec<Disk>) -> Replay {
    Replay::of(disks, INSTALLED, |_| {})
}

/// A machine with answers in its ISO and on a volume.
fn answered() -> Replay {
    Replay::of(vec![blank("vda"), medium()], INSTALLED, |context| {
        let key = "ssh-ed25519 \
                   AAAAC3NzaC1lZDI1NTE5AAAAIGElGSSWbgBlWnYzYx3Pu4mL09GP8DhJXnFVz4lxiUHG ada@mac";
        let keys = format!("ssh-authorized-keys = ['{key}']");
        let volume = Source::Volume { device: "/dev/sdb1".to_owned() };
        context.source_answers = vec![
            document::parse(b"hostname = 'nixvm'", Source::Iso),
            document::parse(keys.as_bytes(), volume),
        ];
    })
}

/// Stops the countdown.
fn hold(replay: &mut Replay) {
    replay.until(|status| status.countdown.is_some());
    replay.key(Key::Char('x'));
    replay.until(|status| status.state == State::AwaitingConfirmation);
    replay.fixture.pass(PAUSE);
}

/// Stops the countdown, and installs.
fn install(replay: &mut Replay) {
    hold(replay);
    replay.key(Key::Char('i'));
    replay.until(|status| status.state == State::Installing);
}

/// The middle of the copy.
fn copying() -> Replay {
    let mut replay = Replay::of(vec![blank("vda"), medium()], INSTALLED, |context| {
        context.install = |attempt| Box::pin(copies(attempt));
    });
    install(&mut replay);
    replay.until(|status| 5 * status.bytes_done > 2 * status.bytes_total && status.bytes_total > 0);
    replay
}

fn failed() -> Replay {
    let mut replay = Replay::of(vec![blank("vda"), medium()], FAILED, |_| {});
    install(&mut replay);
    replay.until(|status| status.outcome.is_some());
    replay
}

#[test]
fn preflight() {
    check("preflight", &machine(vec![blank("vda")]).fixture);
}

#[test]
fn waiting_for_a_disk() {
    let mut small = blank("vda");
    small.device.size_bytes = 16 << 30;
    let mut replay = machine(vec![small, medium()]);
    replay.until(|status| status.state == State::WaitingForDisk);
    check("waiting", &replay.fixture);
}

#[test]
fn choosing_among_three() {
    let mut replay = machine(vec![blank("vda"), windows("vdb"), blank("vdc"), medium()]);
    replay.until(|status| status.state == State::ChoosingDisk);
    replay.key(Key::Down);
    check("choosing", &replay.fixture);
}

#[test]
fn choosing_among_more_than_fit() {
    let mut replay = machine(('a'..='z').map(|letter| blank(&format!("vd{letter}"))).collect());
    replay.until(|status| status.state == State::ChoosingDisk);
    for _ in 0..20 {
        replay.key(Key::Down);
    }
    check_at("choosing-many", &replay.fixture, &[(80, 25), (160, 50)]);
    replay.key(Key::Char('2'));
    assert!(replay.fixture.frame(80, 25).contains("► 2 /dev/vdb"));
}

#[test]
fn counting_down() {
    let mut replay = answered();
    replay.until(|status| status.countdown.is_some());
    check("countdown", &replay.fixture);
    check_at("countdown", &replay.fixture, &[(40, 12), (240, 75), (320, 100)]);
}

#[test]
fn countdown_stopped() {
    let mut replay = answered();
    hold(&mut replay);
    check("held", &replay.fixture);
}

#[test]
fn asked_whether_data_may_be_erased() {
    let mut replay = machine(vec![windows("vda"), blank("vdb"), medium()]);
    replay.until(|status| status.state == State::ChoosingDisk);
    replay.key(Key::Enter);
    replay.until(|status| status.plan.is_some());
    check("data", &replay.fixture);
    replay.fixture.pass(PAUSE);
    replay.key(Key::Char('i'));
    replay.type_text("vdb");
    replay.key(Key::Enter);
    replay.type_text("v");
    check("data-typing", &replay.fixture);
}

#[test]
fn a_disk_with_very_much_on_it() {
    let names: Vec<_> = (1..=60).map(|number| format!("part {number}")).collect();
    let partition = |name| (1 << 28, name, Some(("ext4", name)));
    let disk = with_partitions("vda", names.iter().map(String::as_str).map(partition));
    let mut replay = machine(vec![disk]);
    replay.until(|status| status.plan.is_some());
    replay.key(Key::Char('i'));
    check_at("data-much", &replay.fixture, &[(80, 25), (160, 50)]);
}

#[test]
fn a_name_is_changed() {
    let mut replay = answered();
    hold(&mut replay);
    replay.key(Key::Char('h'));
    replay.type_text(".example");
    replay.key(Key::Enter);
    check("name", &replay.fixture);
}

#[test]
fn the_keymap_is_searched() {
    let mut replay = answered();
    hold(&mut replay);
    replay.key(Key::Char('k'));
    replay.type_text("de");
    replay.key(Key::Down);
    check("keymap", &replay.fixture);
}

#[test]
fn help_says_what_happens() {
    let mut replay = answered();
    hold(&mut replay);
    replay.key(Key::F1);
    check("help", &replay.fixture);
    replay.key(Key::Escape);
    assert!(replay.fixture.frame(80, 25).contains("Press I to install."));
    replay.key(Key::Char('?'));
    assert!(replay.fixture.frame(80, 25).contains("nixvm.toml"));
}

#[test]
fn copying_and_asking_for_a_password() {
    let mut replay = copying();
    replay.type_text("correct horse");
    replay.key(Key::Enter);
    replay.type_text("corr");
    check("password", &replay.fixture);
    assert!(!replay.fixture.frame(80, 25).contains("corr"), "it is hidden");
    replay.key(Key::Control('r'));
    assert!(replay.fixture.frame(80, 25).contains("correct horse"));
}

#[test]
fn copying_until_it_is_cancelled() {
    let mut replay = copying();
    replay.key(Key::Escape);
    replay.fixture.pass(PAUSE);
    check("copying", &replay.fixture);
    replay.key(Key::Char('c'));
    check("cancel", &replay.fixture);
    replay.key(Key::Char('y'));
    replay.until(|status| status.outcome == Some(Outcome::Cancelled));
    check("cancelled", &replay.fixture);
}

#[test]
fn installed_with_a_password_that_was_typed() {
    let mut replay = answered();
    hold(&mut replay);
    replay.key(Key::Char('p'));
    for _ in 0..2 {
        replay.type_text("correct horse");
        replay.key(Key::Enter);
    }
    replay.key(Key::Char('i'));
    replay.until(|status| status.outcome.is_some());
    check("finished", &replay.fixture);
    replay.fixture.pass(Duration::from_secs(10));
    assert!(replay.fixture.frame(80, 25).contains("Restarting..."));
}

#[test]
fn installed_with_a_password_made_up() {
    let made_up = |graphical_login| {
        let mut replay = Replay::of(vec![blank("vda"), medium()], INSTALLED, |context| {
            context.manifest.graphical_login = graphical_login;
            context.manifest.edition = context.manifest.edition.take().filter(|_| graphical_login);
        });
        install(&mut replay);
        replay.until(|status| status.outcome.is_some());
        replay.fixture
    };
    assert!(made_up(true).frame(80, 25).contains("change it after you log in"));
    let minimal = made_up(false);
    check("finished-made-up", &minimal);
    check_at("finished-made-up", &minimal, &[(40, 12)]);
}

#[test]
fn failed_as_the_disk_was_full() {
    let mut replay = failed();
    check("failed", &replay.fixture);
    let fixture = &mut replay.fixture;
    let problem = fixture.status.error.clone().unwrap();
    let message = "a line of what a program said\n".repeat(40);
    fixture.verdict(Outcome::Failed, Some(Problem { message, ..problem }));
    check("failed-long", fixture);
}

#[test]
fn the_log_of_a_failure() {
    let mut replay = failed();
    replay.fixture.pass(PAUSE);
    replay.key(Key::Char('l'));
    let Some(Dialog::Log(view)) = &mut replay.fixture.model.dialog else { panic!("no log") };
    view.lines = (1..=300).map(|n| format!("[{n}.000] line {n}")).collect();
    replay.key(Key::PageUp);
    check_at("log", &replay.fixture, &[(80, 25), (160, 50)]);
    replay.key(Key::Escape);
    assert!(replay.fixture.frame(80, 25).contains("Installation failed"));
}

#[test]
fn refused_on_bios() {
    let mut replay = Replay::of(vec![blank("vda"), medium()], INSTALLED, |context| {
        let (firmware, hypervisor) = (Firmware::Bios, Hypervisor::Virtualbox);
        context.machine = Machine { firmware, hypervisor, ..context.machine.clone() };
    });
    replay.until(|status| status.outcome.is_some());
    check("bios", &replay.fixture);
    assert!(!replay.fixture.frame(80, 25).contains("Retry"), "it would say the same");
}

#[test]
fn refused_without_a_passphrase() {
    let mut replay = Replay::of(vec![blank("vda"), medium()], INSTALLED, |context| {
        context.manifest.layout[1].mapping = Some("crypt".to_owned());
    });
    replay.until(|status| status.outcome.is_some());
    check("passphrase", &replay.fixture);
}

#[test]
fn refused_for_wrong_answers() {
    let mut replay = Replay::of(vec![blank("vda"), medium()], INSTALLED, |context| {
        let volume = Source::Volume { device: "/dev/sdb1".to_owned() };
        let toml = b"# The machine\ncountdown = 20\nhostname = 'a b'\n";
        context.source_answers =
            vec![document::parse(toml, volume), command_line::parse("quiet nixvm.diks=vda")];
    });
    replay.until(|status| status.outcome.is_some());
    check("answers", &replay.fixture);
}

#[test]
fn installed_already() {
    let mut replay = machine(vec![installed("vda", "web"), blank("vdb"), medium()]);
    replay.until(|status| status.outcome.is_some());
    check("installed-already", &replay.fixture);
    replay.key(Key::Char('i'));
    replay.until(|status| status.finish.is_some_and(|finish| finish.at_uptime_ms.is_none()));
    check("reinstall", &replay.fixture);
}
