//! The end of an attempt, or an installed disk → when the machine restarts or is switched off by
//! itself, and the wait for it.

use std::time::{Duration, Instant};

use anyhow::Result;
use nixvm_answers::answers::Finish;

use super::requests::Effect;
use super::state::Phase;
use super::{ExitAction, Session};
use crate::event::{PasswordOrigin, ScheduledFinish};
use crate::format::clock::uptime_ms;

/// Seconds before the shutdown if there was a request in this run.
const ATTENDED: u64 = 10;

/// Seconds before the shutdown if there was none.
const UNATTENDED: u64 = 5;

/// Seconds before the shutdown while a password is shown that may have to be noted.
const PASSWORD_SHOWN: u64 = 60;

/// Seconds before a disk is booted that was installed earlier.
const BOOT: u64 = 15;

/// What follows by itself, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PendingShutdown {
    how: Finish,
    at: Option<Deadline>,
}

/// A moment, for timers here and for events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Deadline {
    instant: Instant,
    uptime_ms: u64,
}

impl PendingShutdown {
    /// `seconds` from now; `None`: only on request.
    pub(super) fn new(how: Finish, seconds: Option<u64>) -> Self {
        let at = seconds.map(|seconds| Deadline {
            instant: Instant::now() + Duration::from_secs(seconds),
            uptime_ms: uptime_ms() + seconds * 1000,
        });
        Self { how, at }
    }

    /// As events have it.
    pub(super) fn event(self) -> ScheduledFinish {
        ScheduledFinish { action: self.how, at_uptime_ms: self.at.map(|at| at.uptime_ms) }
    }

    /// Ready when it is due; never if it needs a request.
    pub(super) async fn elapsed(pending: Option<Self>) -> Option<ExitAction> {
        match pending {
            Some(Self { how, at: Some(at) }) => {
                tokio::time::sleep_until(at.instant.into()).await;
                ExitAction::of(how)
            }
            _ => std::future::pending().await,
        }
    }
}

impl ExitAction {
    /// What a choice of `finish` leads to; `None` stays.
    pub(super) fn of(finish: Finish) -> Option<Self> {
        match finish {
            Finish::Reboot => Some(Self::Reboot),
            Finish::Poweroff => Some(Self::PowerOff),
            Finish::Wait => None,
        }
    }
}

impl Session {
    /// The shutdown after an install.
    ///
    /// A generated password that is the only way to log in is where it is shown and nowhere else:
    /// shutting down before it was read would make the system inaccessible.
    pub(super) fn shutdown_after_install(&self, finish: Finish) -> PendingShutdown {
        let (generated, has_keys) = {
            let account = self.context.account.borrow();
            (account.origin == PasswordOrigin::Generated, !account.keys.is_empty())
        };
        let shown = generated && self.context.shows_password;
        let seconds = match finish {
            Finish::Wait => None,
            _ if shown && !has_keys => None,
            _ if shown => Some(PASSWORD_SHOWN),
            _ if self.user.attended => Some(ATTENDED),
            _ => Some(UNATTENDED),
        };
        PendingShutdown::new(finish, seconds)
    }

    /// The restart that boots an installed disk.
    pub(super) fn shutdown_before_boot(&self, finish: Finish) -> PendingShutdown {
        let by_itself = finish != Finish::Wait && !self.user.paused;
        PendingShutdown::new(Finish::Reboot, by_itself.then_some(BOOT))
    }

    /// Makes a scheduled shutdown wait for a request.
    pub(super) fn cancel_shutdown(&mut self) {
        if let Some(PendingShutdown { how, .. }) = self.phase.shutdown() {
            self.checkpoint.stays();
            let waits = PendingShutdown::new(how, None);
            self.transition_to(self.phase.clone().with_shutdown(waits));
        }
    }

    /// Waits after an install until the shutdown is due and the webhook was told, or a request calls for
    /// another decision. A request to leave waits for neither.
    ///
    /// Disks are not looked at: the one that changed is the one that was installed.
    pub(super) async fn wait_for_shutdown(&mut self) -> Result<Option<ExitAction>> {
        loop {
            let shutdown = self.phase.shutdown();
            let telling = self.webhook.as_mut().filter(|telling| !telling.is_finished());
            let due = async {
                let exit = PendingShutdown::elapsed(shutdown).await;
                if let Some(telling) = telling {
                    // However it ends, it has said so itself.
                    let _ended = telling.await;
                }
                exit
            };
            tokio::select! {
                exit = due => return Ok(exit),
                message = self.context.requests.recv() => {
                    let Some(message) = message else { anyhow::bail!("request channel closed") };
                    if let Effect::Exit(exit) = self.handle_request(message) {
                        return Ok(Some(exit));
                    }
                    if !matches!(self.phase, Phase::Installed { .. }) {
                        return Ok(None);
                    }
                    self.send_replies(None);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::session;
    use super::*;
    use crate::control::account::Account;
    use crate::control::request::{Request, RequestError};

    /// A session that has installed, and what it schedules.
    fn enter_installed(session: &mut Session, shutdown: PendingShutdown) {
        let message = "nixvm is installed on /dev/vda.".to_owned();
        session.transition_to(Phase::Installed { message, shutdown, seconds: Some(1.0) });
    }

    /// The seconds until then, as the event gives them.
    fn seconds(shutdown: PendingShutdown) -> Option<u64> {
        shutdown.event().at_uptime_ms.map(|at| at.saturating_sub(uptime_ms()).div_ceil(1000))
    }

    #[tokio::test]
    async fn a_password_that_only_the_screen_knows_is_not_taken_away() {
        let generated = Account { origin: PasswordOrigin::Generated, ..Account::default() };
        let with_key = Account { keys: vec!["ssh-ed25519 A".to_owned()], ..generated.clone() };
        for (account, screen, finish, expected) in [
            (Account::default(), true, Finish::Reboot, Some(UNATTENDED)),
            (Account::default(), true, Finish::Wait, None),
            (generated.clone(), true, Finish::Reboot, None),
            (generated.clone(), true, Finish::Poweroff, None),
            (generated, false, Finish::Reboot, Some(UNATTENDED)),
            (with_key, true, Finish::Reboot, Some(PASSWORD_SHOWN)),
        ] {
            let (mut session, _handle) = session();
            session.context.shows_password = screen;
            session.context.account.send_replace(account.clone());
            let shutdown = session.shutdown_after_install(finish);
            assert_eq!(seconds(shutdown), expected, "{account:?} {screen} {finish:?}");
        }
    }

    #[tokio::test]
    async fn a_password_that_nobody_can_have_read_is_warned_of() {
        for (shows_password, origin, warnings) in [
            (true, PasswordOrigin::Generated, 0),
            (false, PasswordOrigin::Typed, 0),
            (false, PasswordOrigin::Generated, 1),
        ] {
            let (mut session, _handle) = session();
            session.context.shows_password = shows_password;
            session.context.account.send_modify(|account| account.origin = origin);
            session.warn_of_unseen_password();
            let status = session.context.publisher.status();
            assert_eq!(status.borrow().warnings.len(), warnings, "{shows_password} {origin:?}");
        }
    }

    #[tokio::test]
    async fn an_attended_run_has_more_time_and_can_be_stopped() {
        let (mut session, handle) = session();
        session.user.attended = true;
        let shutdown = session.shutdown_after_install(Finish::Reboot);
        assert_eq!(seconds(shutdown), Some(ATTENDED));
        enter_installed(&mut session, shutdown);
        let status = session.context.publisher.status();
        let work = tokio::spawn(async move { session.wait_for_shutdown().await });
        handle.ask(Request::Cancel).await.unwrap();
        assert_eq!(status.borrow().finish.unwrap().at_uptime_ms, None);
        assert!(matches!(handle.ask(Request::Retry).await, Err(RequestError::WrongState { .. })));
        handle.ask(Request::Finish { how: Finish::Wait }).await.unwrap();
        handle.ask(Request::Finish { how: Finish::Poweroff }).await.unwrap();
        assert_eq!(work.await.unwrap().unwrap(), Some(ExitAction::PowerOff));
    }

    #[tokio::test(start_paused = true)]
    async fn it_stays_until_the_webhook_was_told_unless_it_is_asked_to_leave() {
        for asked in [false, true] {
            let (mut session, handle) = session();
            let (end, ended) = tokio::sync::oneshot::channel::<()>();
            session.webhook = Some(tokio::spawn(async { ended.await.unwrap_or_default() }));
            enter_installed(&mut session, PendingShutdown::new(Finish::Reboot, Some(0)));
            let mut work = tokio::spawn(async move { session.wait_for_shutdown().await });
            let soon = tokio::time::timeout(Duration::from_secs(60), &mut work).await;
            assert!(soon.is_err(), "it left before the webhook was told");
            match asked {
                true => handle.ask(Request::Finish { how: Finish::Reboot }).await.unwrap(),
                false => end.send(()).unwrap(),
            }
            assert_eq!(work.await.unwrap().unwrap(), Some(ExitAction::Reboot));
        }
    }

    #[tokio::test]
    async fn it_leaves_when_the_time_has_come() {
        let (mut session, _handle) = session();
        enter_installed(&mut session, PendingShutdown::new(Finish::Reboot, Some(0)));
        assert_eq!(session.wait_for_shutdown().await.unwrap(), Some(ExitAction::Reboot));
    }
}
