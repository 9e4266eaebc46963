//! A plan that needs no confirmation → its seconds, published one by one, then an install. How many there
//! are is the plan's: `plan/decision.rs`.
//!
//! What stops it is a request: `requests` (`interrupt_countdown`), from any key (`screen/keys.rs`).

use std::time::{Duration, Instant};

use anyhow::Result;
use nixvm_answers::Resolved;

use super::state::{Countdown, Phase};
use super::{ExitAction, Session};
use crate::event::Event;
use crate::plan::Plan;

/// How long a countdown is extended that ended before the screen could show it.
const EXTENSION: Duration = Duration::from_secs(3);

impl Countdown {
    /// The countdown to this plan after `phase`: the one that runs, if it is for the same plan.
    fn after(phase: &Phase, plan: Box<Plan>) -> Self {
        let token = plan.token();
        let length = Duration::from_secs(u64::from(plan.countdown));
        let now = Instant::now();
        match phase {
            Phase::Countdown(running) if running.token == token => {
                let mut running = running.clone();
                // It ended while the disks were read, when nothing could be shown or stopped.
                if running.end <= now && !running.extended {
                    running.end = now + length.min(EXTENSION);
                    running.extended = true;
                }
                running
            }
            _ => Self { plan, token, end: now + length, extended: false },
        }
    }
}

impl Session {
    /// Counts down to the install, until something changes or a request stops it.
    pub(super) async fn count_down(
        &mut self,
        plan: Box<Plan>,
        answers: Option<Resolved>,
    ) -> Result<Option<ExitAction>> {
        let countdown = Countdown::after(&self.phase, plan.clone());
        let end = countdown.end;
        self.transition_to(Phase::Countdown(countdown));
        loop {
            let left = end.saturating_duration_since(Instant::now());
            // The number that is shown is the seconds that are really left, rounded up.
            let seconds_left = u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
            self.context.publisher.publish(Event::Countdown { seconds_left });
            // A request or a disk that arrived before the end counts, even if it is handled late.
            let unhandled = !self.context.requests.is_empty()
                || self.inventory.has_changed()
                || self.context.attached.has_changed().unwrap_or(false);
            if left.is_zero() && !unhandled {
                return self.install(plan, answers).await;
            }
            let next = Duration::from_secs(u64::from(seconds_left.saturating_sub(1)));
            let tick = left.saturating_sub(next);
            tokio::select! {
                () = tokio::time::sleep(tick) => {}
                exit = self.wait() => return exit,
            }
        }
    }
}
