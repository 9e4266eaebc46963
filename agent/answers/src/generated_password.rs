//! Random numbers → a password for an account that was given none.

use crate::password::Secret;
use crate::value::Invalid;

/// Letters of a generated password: none that looks like another one, none that the usual keyboard
/// layouts have in different places.
const LETTERS: &[u8; 16] = b"bcdefghijknoprst";

/// A random password: four groups of four letters, 64 bits.
///
/// # Errors
/// The system gives no random numbers.
pub fn generate() -> Result<Secret, Invalid> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|_| Invalid::new("no password can be generated: there are no random numbers"))?;
    let mut text = String::with_capacity(19);
    for (position, byte) in random.into_iter().enumerate() {
        if position > 0 && position % 4 == 0 {
            text.push('-');
        }
        text.push(char::from(LETTERS[usize::from(byte % 16)]));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hashing::hash;

    #[test]
    fn generated_passwords_differ_and_can_be_typed() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.reveal().len(), 19);
        assert!(one.reveal().chars().all(|c| c.is_ascii_lowercase() || c == '-'));
        assert!(hash(&one).is_ok());
    }
}
