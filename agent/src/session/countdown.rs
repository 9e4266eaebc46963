//! A plan that nobody has to confirm → seconds that are told, then an install.

use std::time::{Duration, Instant};

use anyhow::Result;
use nixvm_answers::Resolved;

use super::{ExitAction, Session};
use crate::event::Event;
use crate::plan::Plan;

/// What is shown at least of a countdown that ended while nobody could see it.
const TAKEN_UP: Duration = Duration::from_secs(3);

/// A countdown that runs.
pub(super) struct Countdown {
    /// The token of the plan that it is for.
    token: String,
    pub(super) end: Instant,
    /// It was made longer once.
    taken_up: bool,
}

impl Session {
    /// Counts down to the install, until something changes or somebody stops it.
    pub(super) async fn count_down(
        &mut self,
        plan: Plan,
        answers: Option<Resolved>,
    ) -> Result<Option<ExitAction>> {
        let token = plan.token();
        if self.paused {
            self.propose(&plan, "The countdown was stopped.");
            return self.wait().await;
        }
        self.propose(&plan, "The install begins by itself.");
        let length = Duration::from_secs(u64::from(plan.countdown));
        let now = Instant::now();
        let countdown = match self.countdown.take() {
            Some(mut running) if running.token == token => {
                // It ended while the disks were looked at, and nobody saw that.
                if running.end <= now && !running.taken_up {
                    running.end = now + length.min(TAKEN_UP);
                    running.taken_up = true;
                }
                running
            }
            _ => Countdown { token, end: now + length, taken_up: false },
        };
        let end = countdown.end;
        self.countdown = Some(countdown);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            // The number that is shown is the seconds that are really left, rounded up.
            let seconds_left = u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
            self.context.publisher.publish(Event::Countdown { seconds_left });
            // What was said, or plugged in, before the end counts, whatever kept us from hearing it.
            let unheard = !self.context.requests.is_empty()
                || self.context.attached.has_changed().unwrap_or(false);
            if left.is_zero() && !unheard {
                self.countdown = None;
                return self.install(plan, answers).await;
            }
            let next = Duration::from_secs(u64::from(seconds_left.saturating_sub(1)));
            let tick = left.saturating_sub(next);
            tokio::select! {
                () = tokio::time::sleep(tick) => {}
                leave = self.wait() => return leave,
            }
        }
    }
}
