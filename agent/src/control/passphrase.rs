//! The passphrase of an encrypted disk: typed on a console, or given to the machine as a system credential.
//!
//! It is in no event, log, file or argument, but for the file that root alone can read while disko's script runs.

use nixvm_answers::password::Secret;

use crate::plan::PassphraseOrigin;

/// Characters that it has at least.
const SHORTEST: usize = 8;

/// Bytes that it has at most: cryptsetup(8) reads one more from a terminal. A field of the screen that is
/// full, with as many as that, may lack the end.
const LONGEST: usize = 511;

/// A passphrase that can be typed when the installed system starts.
#[derive(Clone, Debug)]
pub struct Passphrase {
    secret: Secret,
    /// Where it comes from.
    pub origin: PassphraseOrigin,
}

impl Passphrase {
    /// Takes over a text.
    ///
    /// # Errors
    /// What is wrong with it, to follow "the passphrase".
    pub fn new(secret: Secret, origin: PassphraseOrigin) -> Result<Self, String> {
        let text = secret.reveal();
        if text.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} bytes"));
        }
        // Early in the start, what other signs become depends on the keymap, its encoding and the terminal.
        if !text.chars().all(|sign| matches!(sign, ' '..='~')) {
            return Err(
                "has other signs than ASCII has, which could not be typed at the start".to_owned()
            );
        }
        if text.len() < SHORTEST {
            return Err(format!("has fewer than {SHORTEST} characters"));
        }
        Ok(Self { secret, origin })
    }

    /// The text itself, to be written to a file that root alone can read.
    pub fn reveal(&self) -> &str {
        self.secret.reveal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_typed_at_the_start_is_refused_and_nothing_shows_the_text() {
        let new =
            |text: &str| Passphrase::new(Secret::new(text.to_owned()), PassphraseOrigin::Typed);
        let taken = new("correct horse ~").unwrap();
        assert_eq!(taken.reveal(), "correct horse ~");
        assert!(!format!("{taken:?}").contains("horse"));
        for (text, why) in [
            ("", "fewer than 8"),
            ("1234567", "fewer than 8"),
            ("pässwörter", "than ASCII"),
            ("two\nlines", "than ASCII"),
            ("a\0aaaaaaa", "than ASCII"),
            (&*"a".repeat(512), "longer than 511"),
        ] {
            let refused = new(text).unwrap_err();
            assert!(refused.contains(why), "{refused}");
            assert!(text.is_empty() || !refused.contains(text), "{refused}");
        }
    }
}
