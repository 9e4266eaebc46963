//! What happens while a line is typed, and what is written of it.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_half_typed_survives_progress_and_not_another_question() {
    let installer = Installer::new();
    let mut tty = installer.console();
    installer.asks(with_password_answered(plan("vda")));
    tty.shows("\r\n> ");
    tty.types("inst");
    tty.shows("inst");
    installer.publisher.publish(Event::Warning { message: "Something odd.".to_owned() });
    tty.shows("\r\nWarning: Something odd.\r\n> inst");
    // Control and L.
    tty.types("\x0c");
    tty.shows("Commands: install, ");
    tty.shows("\r\n> inst");
    installer.publisher.publish(Event::Disks { disks: vec![disk("vda"), disk("vdb")] });
    installer.enter(State::ChoosingDisk, "Several disks can be used: vda, vdb.");
    tty.shows("Disk name: ");
    installer.publisher.publish(Event::Warning { message: "Another thing.".to_owned() });
    let between = tty.shows("Warning: Another thing.\r\nDisk name: ");
    assert_eq!(between, "\r\n", "it is not taken for a disk's name");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_disk_calls_itself_controls_no_terminal() {
    let installer = Installer::new();
    let mut tty = installer.console();
    let mut hostile = windows("vda");
    hostile.contents = vec!["ext4 \"\x1b]0;owned\x07\u{9b}31m\", 20 GiB".to_owned()];
    hostile.model = Some("\x1b[2J".to_owned());
    let mut plan = plan_for_windows("vda");
    plan.target.erases.clone_from(&hostile.contents);
    installer.publisher.publish(Event::Disks { disks: vec![hostile, windows("vdb")] });
    installer.enter(State::ChoosingDisk, "Several disks can be used: vda, vdb.");
    tty.shows("Disk name: ");
    installer.plan(State::AwaitingConfirmation, plan);
    tty.shows("\r\n> ");
    tty.types("help\r");
    tty.shows("install: Install\r\n");
    tty.types("log\r");
    tty.shows("The log is empty.\r\n");
    assert!(tty.everything().contains("owned"));
}
