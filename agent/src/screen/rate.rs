//! Bytes done, from time to time → their rate over a while, and the time that is left.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What the rate is the mean of. Shorter, it jumps; longer, it hides that something changed.
const WINDOW: Duration = Duration::from_secs(15);

/// Less than this says nothing yet.
const LEAST: Duration = Duration::from_secs(3);

/// Samples of the last while.
#[derive(Debug, Default)]
pub(super) struct Rate {
    samples: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// Takes note that so many bytes are done.
    pub(super) fn note(&mut self, now: Instant, bytes: u64) {
        match self.samples.back() {
            Some((_, last)) if *last == bytes => return,
            Some((_, last)) if *last > bytes => self.samples.clear(),
            _ => {}
        }
        self.samples.push_back((now, bytes));
        // The newest one outside the window stays: what happened since is what is inside.
        while self.samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.samples.pop_front();
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.samples.clear();
    }

    /// Bytes in a second; None as long as there is too little to tell.
    pub(super) fn per_second(&self, now: Instant) -> Option<f64> {
        let begin = self.samples.iter().rev().find(|(at, _)| now.duration_since(*at) >= WINDOW);
        let (at, bytes) = begin.or_else(|| self.samples.front())?;
        let (_, last) = self.samples.back()?;
        let span = now.duration_since(*at);
        (span >= LEAST).then(|| (last - bytes) as f64 / span.as_secs_f64())
    }

    /// Seconds until `total` bytes are done, at the present rate; None if there is no telling.
    pub(super) fn seconds_left(&self, now: Instant, total: u64) -> Option<u64> {
        let (_, done) = self.samples.back()?;
        let rate = self.per_second(now).filter(|rate| *rate >= 1.0)?;
        Some((total.saturating_sub(*done) as f64 / rate).ceil() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn nothing_is_estimated_before_it_can_be() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        assert_eq!(rate.seconds_left(start, 1000), None);
        rate.note(start, 0);
        rate.note(at(start, 1), 500);
        assert_eq!(rate.per_second(at(start, 2)), None);
        assert_eq!(rate.per_second(at(start, 5)), Some(100.0));
        assert_eq!(rate.seconds_left(at(start, 5), 1000), Some(5));
    }

    #[test]
    fn only_the_last_while_counts() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        for second in 0..=60 {
            rate.note(
                at(start, second),
                if second <= 30 { second * 1000 } else { 30_000 + (second - 30) * 10 },
            );
        }
        assert_eq!(rate.per_second(at(start, 60)), Some(10.0));
        assert!(rate.samples.len() < 20);
    }

    #[test]
    fn what_stands_still_has_no_end() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        rate.note(start, 0);
        rate.note(at(start, 10), 1000);
        assert_eq!(rate.per_second(at(start, 30)), Some(0.0));
        assert_eq!(rate.seconds_left(at(start, 30), 2000), None);
    }

    #[test]
    fn another_attempt_begins_anew() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        rate.note(start, 5000);
        rate.note(at(start, 5), 0);
        assert_eq!(rate.per_second(at(start, 6)), None);
    }
}
