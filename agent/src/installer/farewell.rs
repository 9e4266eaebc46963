//! The end of an attempt, or an installed disk → when the machine is left by itself, and the wait for
//! it.

use std::time::{Duration, Instant};

use anyhow::Result;
use nixvm_answers::answers::Finish;

use super::{Installer, Leave, leave};
use crate::board::uptime_ms;
use crate::event::{Event, Leaving, PasswordOrigin};

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
pub(super) struct Farewell {
    how: Finish,
    at: Option<Instant>,
}

impl Farewell {
    /// Comes when it is time; never if that is for somebody to say.
    pub(super) async fn come(farewell: Option<Self>) -> Option<Leave> {
        match farewell {
            Some(Self { how, at: Some(at) }) => {
                tokio::time::sleep_until(at.into()).await;
                leave(how)
            }
            _ => std::future::pending().await,
        }
    }
}

impl Installer {
    /// Says how and when the machine is left after an install.
    ///
    /// A made-up password that is the only way to log in is on the screen and nowhere else: leaving
    /// before somebody has seen it would lock everybody out.
    pub(super) fn plan_farewell(&mut self, finish: Finish) -> Leaving {
        let (made_up, has_keys) = {
            let account = self.parts.account.borrow();
            (account.origin == PasswordOrigin::MadeUp, !account.keys.is_empty())
        };
        let shown = made_up && self.parts.screen;
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
    pub(super) fn plan_boot(&mut self, finish: Finish) -> Leaving {
        self.leave_in(Finish::Reboot, (finish != Finish::Wait && !self.held).then_some(BOOT))
    }

    /// Leaves only when somebody says so.
    pub(super) fn stay(&mut self) {
        if let Some(Farewell { how, at: Some(_) }) = self.leaving {
            let leaving = self.leave_in(how, None);
            self.parts.board.publish(Event::Leaving(leaving));
        }
    }

    fn leave_in(&mut self, how: Finish, seconds: Option<u64>) -> Leaving {
        let at = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        self.leaving = Some(Farewell { how, at });
        let at_uptime_ms = seconds.map(|seconds| uptime_ms() + seconds * 1000);
        Leaving { how, at_uptime_ms }
    }

    /// Waits after an install until it is time to leave, or somebody wants something else.
    ///
    /// Disks are not looked at: the one that changed is the one that was installed.
    pub(super) async fn farewell(&mut self) -> Result<Option<Leave>> {
        loop {
            let leaving = self.leaving;
            tokio::select! {
                leave = Farewell::come(leaving) => return Ok(leave),
                envelope = self.parts.requests.recv() => {
                    let Some(envelope) = envelope else {
                        anyhow::bail!("nobody can steer the installer any more");
                    };
                    let leave = self.take(envelope).flatten();
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
    use crate::event::State;
    use crate::install::Account;
    use crate::request::{Denied, Desk, Request};
    use crate::testing;

    fn finished() -> (Installer, Desk) {
        let (mut installer, desk) = testing::installer();
        installer.ended = true;
        installer.enter(State::Finished, "nixvm is installed.");
        (installer, desk)
    }

    /// The seconds until it leaves, as the event says.
    fn seconds(leaving: Leaving) -> Option<u64> {
        leaving.at_uptime_ms.map(|at| at.saturating_sub(uptime_ms()).div_ceil(1000))
    }

    #[tokio::test]
    async fn a_password_that_only_the_screen_knows_is_not_taken_away() {
        let made_up = Account { origin: PasswordOrigin::MadeUp, ..Account::default() };
        let with_key = Account { keys: vec!["ssh-ed25519 A".to_owned()], ..made_up.clone() };
        for (account, screen, finish, expected) in [
            (Account::default(), true, Finish::Reboot, Some(UNATTENDED)),
            (Account::default(), true, Finish::Wait, None),
            (made_up.clone(), true, Finish::Reboot, None),
            (made_up.clone(), true, Finish::Poweroff, None),
            (made_up, false, Finish::Reboot, Some(UNATTENDED)),
            (with_key, true, Finish::Reboot, Some(PASSWORD_SHOWN)),
        ] {
            let (mut installer, _desk) = finished();
            installer.parts.screen = screen;
            installer.parts.account.send_replace(account.clone());
            let leaving = installer.plan_farewell(finish);
            assert_eq!(seconds(leaving), expected, "{account:?} {screen} {finish:?}");
        }
    }

    #[tokio::test]
    async fn somebody_who_is_there_has_more_time_and_can_stop_it() {
        let (mut installer, desk) = finished();
        installer.attended = true;
        let leaving = installer.plan_farewell(Finish::Reboot);
        assert_eq!(seconds(leaving), Some(ATTENDED));
        let status = installer.parts.board.status();
        let work = tokio::spawn(async move { installer.farewell().await });
        desk.ask(Request::Cancel).await.unwrap();
        assert_eq!(status.borrow().leaving.unwrap().at_uptime_ms, None);
        assert!(matches!(desk.ask(Request::Retry).await, Err(Denied::NotNow { .. })));
        desk.ask(Request::Finish { how: Finish::Wait }).await.unwrap();
        desk.ask(Request::Finish { how: Finish::Poweroff }).await.unwrap();
        assert_eq!(work.await.unwrap().unwrap(), Some(Leave::PowerOff));
    }

    #[tokio::test]
    async fn it_leaves_when_the_time_has_come() {
        let (mut installer, _desk) = finished();
        installer.leave_in(Finish::Reboot, Some(0));
        assert_eq!(installer.farewell().await.unwrap(), Some(Leave::Reboot));
    }
}
