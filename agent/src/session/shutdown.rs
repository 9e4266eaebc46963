//! The end of an attempt, or an installed disk → when the machine is left by itself, and the wait for
//! it.

use std::time::{Duration, Instant};

use anyhow::Result;
use nixvm_answers::answers::Finish;

use super::{ExitAction, Session, leave};
use crate::clock::uptime_ms;
use crate::event::{Event, PasswordOrigin, ScheduledFinish};

/// Seconds before the machine is left when somebody asked for something in this run.
const ATTENDED: u64 = 10;

/// Seconds before the machine is left when nobody did.
const UNATTENDED: u64 = 5;

/// Seconds before the machine is left when a password is shown that somebody could note.
const PASSWORD_SHOWN: u64 = 60;

/// Seconds before a disk is booted that was installed earlier.
const BOOT: u64 = 15;

/// How and when the machine is left.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingShutdown {
    how: Finish,
    at: Option<Instant>,
}

impl PendingShutdown {
    /// Comes when it is time; never if that is for somebody to say.
    pub(super) async fn come(pending: Option<Self>) -> Option<ExitAction> {
        match pending {
            Some(Self { how, at: Some(at) }) => {
                tokio::time::sleep_until(at.into()).await;
                leave(how)
            }
            _ => std::future::pending().await,
        }
    }
}

impl Session {
    /// Says how and when the machine is left after an install.
    ///
    /// A made-up password that is the only way to log in is on the screen and nowhere else: leaving
    /// before somebody has seen it would lock everybody out.
    pub(super) fn schedule_finish(&mut self, finish: Finish) -> ScheduledFinish {
        let (generated, has_keys) = {
            let account = self.context.account.borrow();
            (account.origin == PasswordOrigin::Generated, !account.keys.is_empty())
        };
        let shown = generated && self.context.screen;
        let seconds = match finish {
            Finish::Wait => None,
            _ if shown && !has_keys => None,
            _ if shown => Some(PASSWORD_SHOWN),
            _ if self.attended => Some(ATTENDED),
            _ => Some(UNATTENDED),
        };
        self.leave_in(finish, seconds)
    }

    /// Says when the installed disk is booted.
    pub(super) fn plan_boot(&mut self, finish: Finish) -> ScheduledFinish {
        self.leave_in(Finish::Reboot, (finish != Finish::Wait && !self.paused).then_some(BOOT))
    }

    /// Leaves only when somebody says so.
    pub(super) fn stay(&mut self) {
        if let Some(PendingShutdown { how, at: Some(_) }) = self.leaving {
            let leaving = self.leave_in(how, None);
            self.context.publisher.publish(Event::FinishScheduled(leaving));
        }
    }

    fn leave_in(&mut self, how: Finish, seconds: Option<u64>) -> ScheduledFinish {
        let at = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        self.leaving = Some(PendingShutdown { how, at });
        let at_uptime_ms = seconds.map(|seconds| uptime_ms() + seconds * 1000);
        ScheduledFinish { action: how, at_uptime_ms }
    }

    /// Waits after an install until it is time to leave, or somebody wants something else.
    ///
    /// Disks are not looked at: the one that changed is the one that was installed.
    pub(super) async fn wait_for_shutdown(&mut self) -> Result<Option<ExitAction>> {
        loop {
            let leaving = self.leaving;
            tokio::select! {
                leave = PendingShutdown::come(leaving) => return Ok(leave),
                message = self.context.requests.recv() => {
                    let Some(message) = message else {
                        anyhow::bail!("nobody can steer the session any more");
                    };
                    let leave = self.take(message).flatten();
                    if leave.is_some() || !self.ended {
                        return Ok(leave);
                    }
                    self.answer(false);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Account;
    use crate::event::State;
    use crate::request::{InstallerHandle, Request, RequestError};
    use crate::testing;

    fn finished() -> (Session, InstallerHandle) {
        let (mut session, handle) = testing::session();
        session.ended = true;
        session.enter(State::Finished, "nixvm is installed.");
        (session, handle)
    }

    /// The seconds until it leaves, as the event says.
    fn seconds(leaving: ScheduledFinish) -> Option<u64> {
        leaving.at_uptime_ms.map(|at| at.saturating_sub(uptime_ms()).div_ceil(1000))
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
            let (mut session, _desk) = finished();
            session.context.screen = screen;
            session.context.account.send_replace(account.clone());
            let leaving = session.schedule_finish(finish);
            assert_eq!(seconds(leaving), expected, "{account:?} {screen} {finish:?}");
        }
    }

    #[tokio::test]
    async fn somebody_who_is_there_has_more_time_and_can_stop_it() {
        let (mut session, handle) = finished();
        session.attended = true;
        let leaving = session.schedule_finish(Finish::Reboot);
        assert_eq!(seconds(leaving), Some(ATTENDED));
        let status = session.context.publisher.status();
        let work = tokio::spawn(async move { session.wait_for_shutdown().await });
        handle.ask(Request::Cancel).await.unwrap();
        assert_eq!(status.borrow().finish.unwrap().at_uptime_ms, None);
        assert!(matches!(handle.ask(Request::Retry).await, Err(RequestError::WrongState { .. })));
        handle.ask(Request::Finish { how: Finish::Wait }).await.unwrap();
        handle.ask(Request::Finish { how: Finish::Poweroff }).await.unwrap();
        assert_eq!(work.await.unwrap().unwrap(), Some(ExitAction::PowerOff));
    }

    #[tokio::test]
    async fn it_leaves_when_the_time_has_come() {
        let (mut session, _desk) = finished();
        session.leave_in(Finish::Reboot, Some(0));
        assert_eq!(session.wait_for_shutdown().await.unwrap(), Some(ExitAction::Reboot));
    }
}
