//! What the next process of the agent makes of each checkpoint.

use futures_util::FutureExt;
use nixvm_answers::password::Secret;
use tokio::sync::watch;

use super::super::examples::session;
use super::*;
use crate::disk::watch::Attached;
use crate::event::State;
use crate::event::examples::problem;

fn checkpoint() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.json");
    (folder, path)
}

/// A session after a crash that left this checkpoint.
fn successor(path: PathBuf) -> Session {
    let (mut session, _handle) = session();
    session.checkpoint = Checkpoint::open(path);
    session.resume();
    session
}

fn has_failed(session: &Session) -> bool {
    matches!(session.phase, Phase::Failed { .. })
}

#[test]
fn a_choice_is_remembered_and_the_step_is_named() {
    let (_folder, path) = checkpoint();
    let chosen = Identity::of(&crate::disk::examples::disk("vdb"));
    let mut before = Checkpoint::open(path.clone());
    before.begin("1", Some(chosen.clone()));
    before.step(Step::System);
    let after = successor(path);
    assert_eq!(after.user.choices.disk, Some(chosen));
    assert!(!has_failed(&after));
    let warnings = after.context.publisher.status().borrow().warnings.clone();
    assert!(warnings[0].contains("Copy the system"), "{warnings:?}");
}

#[test]
fn an_installer_that_keeps_dying_stops_trying() {
    let (_folder, path) = checkpoint();
    for attempt in 1..=ATTEMPTS {
        Checkpoint::open(path.clone()).begin("1", None);
        let after = successor(path.clone());
        assert_eq!(has_failed(&after), attempt == ATTEMPTS, "{attempt}");
    }
    let mut checkpoint = Checkpoint::open(path.clone());
    checkpoint.failed(problem());
    checkpoint.begin("1", None);
    assert!(!has_failed(&successor(path)), "an end of its own starts the count anew");
}

#[test]
fn a_failure_stands_until_it_is_retried() {
    let (_folder, path) = checkpoint();
    let mut before = Checkpoint::open(path.clone());
    before.begin("1", None);
    before.failed(problem());
    let after = successor(path.clone());
    assert!(has_failed(&after));
    let status = after.context.publisher.status().borrow().clone();
    assert_eq!((status.state, status.message), (State::Failed, problem().message));
}

fn generated() -> Account {
    let hash = format!("$6$salt${}.", "a".repeat(85));
    Account {
        password: Some(hash.parse().unwrap()),
        origin: PasswordOrigin::Generated,
        generated: Some(Secret::new("abcd-efgh".to_owned())),
        expired: true,
        ..Account::default()
    }
}

#[test]
fn a_generated_password_is_shown_again_after_the_install_and_waited_for() {
    let (_folder, path) = checkpoint();
    let mut before = Checkpoint::open(path.clone());
    before.begin("1", None);
    before.account(&generated());
    before.installed("nixvm is installed on /dev/vda.", Finish::Reboot);
    assert!(!std::fs::read_to_string(&path).unwrap().contains("abcd"), "it may be shown");
    let after = successor(path.clone());
    let status = after.context.publisher.status().borrow().clone();
    assert_eq!((status.state, status.password), (State::Installed, PasswordOrigin::Generated));
    assert_eq!(status.message, "nixvm is installed on /dev/vda.");
    let finish = status.finish.unwrap();
    assert_eq!((finish.action, finish.at_uptime_ms), (Finish::Reboot, None));
    assert_eq!(after.context.account.borrow().generated, generated().generated);
    assert!(!format!("{status:?}").contains("abcd"));
}

#[test]
fn a_shutdown_that_was_stopped_stays_stopped() {
    let (_folder, path) = checkpoint();
    let mut before = Checkpoint::open(path.clone());
    before.begin("1", None);
    before.installed("installed", Finish::Poweroff);
    let at = |session: &Session| session.phase.shutdown().unwrap().event().at_uptime_ms;
    assert!(at(&successor(path.clone())).is_some());
    before.stays();
    assert_eq!(at(&successor(path)), None);
}

#[tokio::test]
async fn a_password_outlives_a_crash_in_the_install_and_no_other_attempt() {
    for account in
        [generated(), Account { origin: PasswordOrigin::Typed, generated: None, ..generated() }]
    {
        let (_folder, path) = checkpoint();
        let mut before = Checkpoint::open(path.clone());
        before.begin("1", None);
        before.account(&account);
        before.step(Step::BootLoader);
        let after = successor(path.clone());
        after.prepare_account(None);
        assert_eq!(after.context.account.borrow().password, account.password);
        before.failed(problem());
        let after = successor(path);
        after.prepare_account(None);
        let kept = after.context.account.borrow().password.is_some();
        assert_eq!(kept, account.origin == PasswordOrigin::Typed);
    }
}

#[tokio::test]
async fn a_crash_after_the_receipt_ends_as_the_install_does() {
    let (_folder, path) = checkpoint();
    let mut before = Checkpoint::open(path.clone());
    before.begin("1", None);
    before.account(&generated());
    before.step(Step::Handover);
    let receipt = Receipt { attempt: "1".into(), hostname: "web".into(), ..Receipt::default() };
    let mut after = successor(path.clone());
    assert!(after.checkpoint.has_interrupted(&receipt));
    after.enter_installed("web is installed on /dev/vda.".to_owned(), Finish::Reboot);
    assert_eq!(after.phase.shutdown().unwrap().event().at_uptime_ms, None, "it is to be read");
    assert!(!after.checkpoint.has_interrupted(&receipt), "it has ended");
    assert_eq!(successor(path.clone()).phase.state(), State::Installed);

    // A system that was there before is another one.
    before.begin("2", None);
    let (mut after, _handle) = session();
    let attached = watch::Sender::new(Attached::default());
    after.context.attached = attached.subscribe();
    after.checkpoint = Checkpoint::open(path);
    let mut disk = crate::disk::examples::disk("vda");
    disk.content.receipt = Some(receipt);
    after.inventory.disks = vec![disk];
    assert!(after.step().now_or_never().is_none());
    assert_eq!(after.phase.state(), State::AlreadyInstalled);
}

#[test]
fn nonsense_is_no_journal() {
    let (_folder, path) = checkpoint();
    std::fs::write(&path, "{\"attempts\": ").unwrap();
    assert!(!has_failed(&successor(path)));
}
