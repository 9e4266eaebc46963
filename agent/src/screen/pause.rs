//! Keys, and changes of what they mean → the keys that count.
//!
//! Whoever types does not see at once that something else is asked: the rest of what was being typed is
//! ignored until there was a pause.

use std::time::{Duration, Instant};

/// The pause after a change while something was being typed.
pub(super) const TYPING: Duration = Duration::from_secs(1);

/// The same where it was a password: whoever types one looks at the keys, and the rest of it would be
/// shown, or open a shell.
pub(super) const TYPING_PASSWORD: Duration = Duration::from_secs(3);

/// When the last key was pressed, and the pause that is waited for.
#[derive(Default)]
pub(super) struct Pause {
    last: Option<Instant>,
    settling: Option<Duration>,
}

impl Pause {
    /// Ignores keys until none was pressed for so long. Of two pauses the longer one holds.
    pub(super) fn begin(&mut self, pause: Duration) {
        self.settling = self.settling.max(Some(pause));
    }

    /// Takes note of a key; says whether it counts.
    pub(super) fn note(&mut self, now: Instant) -> bool {
        let last = self.last.replace(now);
        let over = |pause| last.is_none_or(|last| now.duration_since(last) >= pause);
        if self.settling.is_some_and(over) {
            self.settling = None;
        }
        self.settling.is_none()
    }

    /// When the last key was pressed.
    pub(super) fn last(&self) -> Option<Instant> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_count_after_a_pause_of_the_longer_kind() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut pause = Pause::default();
        assert!(pause.note(at(0.0)), "nothing has changed");
        pause.begin(TYPING);
        assert!(!pause.note(at(0.9)));
        assert!(!pause.note(at(1.8)), "each key begins the pause anew");
        assert!(pause.note(at(2.8)));
        assert!(pause.note(at(2.9)), "once is enough");
        pause.begin(TYPING_PASSWORD);
        pause.begin(TYPING);
        assert!(!pause.note(at(5.8)));
        assert!(pause.note(at(8.9)));
    }

    #[test]
    fn what_was_not_typed_has_no_rest() {
        let mut pause = Pause::default();
        pause.begin(TYPING_PASSWORD);
        assert!(pause.note(Instant::now()));
    }
}
