//! The status → how much of the whole install is done: one bar over all steps.

use strum::EnumCount;

use crate::event::{Status, Step};

/// What each step adds to the bar over the whole run, in hundredths: about what it takes of the time.
const WEIGHTS: [(Step, u64); Step::COUNT] = [
    (Step::Partition, 4),
    (Step::Configure, 2),
    (Step::System, 78),
    (Step::Account, 3),
    (Step::BootLoader, 6),
    (Step::Verify, 3),
    (Step::Handover, 4),
];

/// How much of the whole install is done, from 0 to 1: the steps by their weights, the copy by its
/// bytes.
pub(super) fn reached(status: &Status) -> f64 {
    let done = |step| status.steps_done.iter().any(|(one, _)| *one == step);
    let hundredths = WEIGHTS.iter().map(|&(step, weight)| {
        let part = if done(step) {
            1.0
        } else if step == Step::System && status.step == Some(step) {
            status.progress()
        } else {
            0.0
        };
        weight as f64 * part
    });
    hundredths.sum::<f64>() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_counts_and_all_of_them_are_the_whole() {
        assert_eq!(WEIGHTS.map(|(step, _)| step), Step::ALL);
        assert_eq!(WEIGHTS.iter().map(|(_, weight)| weight).sum::<u64>(), 100);
    }
}
