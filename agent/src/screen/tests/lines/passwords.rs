//! Passwords: typed on one of two consoles, or generated.

use super::*;
use crate::plan::{PassphraseOrigin, Refusal};

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_password_is_shown_where_no_screen_is_and_waits() {
    let mut installer = Installer::new();
    let mut tty = installer.console();
    installer.asks(plan("vda"));
    installer.installs();
    tty.shows("Password: ");
    tty.types("\r");
    tty.shows("No password was chosen. To choose one, type the word password.\r\n");
    installer.account.send_modify(|account| {
        account.generated = Some(Secret::new("abcd-efgh-ijkl-mnop".to_owned()));
        account.origin = PasswordOrigin::Generated;
        account.expired = true;
    });
    installer.publisher.publish(Event::Password { origin: PasswordOrigin::Generated });
    installer.ends(Finish::Reboot);
    tty.shows("Generated password: write it down.\r\nabcd-efgh-ijkl-mnop\r\n");
    tty.shows("must be changed at first login.\r\n");
    tty.shows("Type restart to restart into the installed system.\r\n");
    tty.types("restart\r");
    assert!(matches!(installer.request(Ok(())).await, Request::Finish { how: Finish::Reboot }));
    tty.everything();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_consoles_ask_the_same_and_one_answer_is_enough() {
    let mut installer = Installer::new();
    let (mut one, mut other) = (installer.console(), installer.console());
    installer.asks(plan("vda"));
    installer.installs();
    one.shows("Password: ");
    other.shows("Password: ");
    one.types("hunter2");
    let mut account = installer.account.subscribe();
    let typing = account.wait_for(|account| account.typing.len() == 1);
    tokio::time::timeout(PATIENCE, typing).await.unwrap().unwrap();
    one.types("\rhunter2\r");
    assert!(matches!(installer.request(Ok(())).await, Request::Password { .. }));
    installer.publisher.publish(Event::Password { origin: PasswordOrigin::Typed });
    one.shows("The password is set.\r\n");
    other.shows("The password is set.\r\n");
    other.shows("Commands: cancel, log, help\r\n");
    other.types("cancel\r");
    other.shows("Type yes to cancel it; anything else keeps installing: ");
    other.types("\r");
    other.shows("Commands: ");
    other.types("cancel\r");
    other.shows("keeps installing: ");
    other.types("yes\r");
    assert!(matches!(installer.request(Ok(())).await, Request::Cancel));
    installer.enter(State::Cancelled, "Installation cancelled. The disk will not boot.");
    for tty in [&mut one, &mut other] {
        tty.shows("Installation cancelled. The disk will not boot.\r\n");
        tty.shows("Commands: retry, ");
        tty.everything();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_passphrase_is_asked_for_and_never_echoed() {
    let mut installer = Installer::new();
    let mut tty = installer.console();
    let refusal =
        Refusal::NoPassphrase { problem: None, keymap: "us".to_owned(), other_keymap: None };
    let problem = refusal.problem();
    let state = Event::State {
        from: State::Preflight,
        to: State::Refused,
        message: problem.message.clone(),
    };
    let verdict = Event::AttemptEnded {
        outcome: Outcome::Refused,
        error: Some(problem),
        duration_seconds: None,
        peak_resident_bytes: 0,
    };
    installer.publisher.publish_all([state, verdict]);
    tty.shows("Choose a passphrase for the disk. It is not shown as you type.\r\n");
    tty.shows("Passphrase: ");
    tty.types("\r");
    tty.shows("To choose one, type the word passphrase.\r\n");
    tty.shows("> ");
    tty.types("passphrase\r");
    tty.shows("Passphrase: ");
    tty.types("correct horse\r");
    tty.shows("Repeat it: ");
    tty.types("correct horse\r");
    let request = installer.request(Ok(())).await;
    let Request::Passphrase { passphrase } = request else { panic!("{request:?}") };
    assert_eq!(passphrase.reveal(), "correct horse");
    let mut plan = plan("vda");
    plan.passphrase = Some(PassphraseOrigin::Typed);
    installer.asks(plan);
    tty.shows("with the passphrase typed on the console");
    assert!(!tty.everything().contains("horse"));
}
