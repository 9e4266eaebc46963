//! A password → its [`PasswordHash`].

use sha_crypt::{Algorithm, Params, PasswordHasher, ShaCrypt};

use crate::password::{PasswordHash, Secret};
use crate::value::Invalid;

/// Rounds of SHA-512, 40 times crypt(3)'s own default: the hash travels in a file that is copied
/// about, and a login still takes less than a second.
const ROUNDS: u32 = 200_000;

/// Bytes that become the 16 signs of salt that crypt(3) uses. A longer salt it would cut off, and
/// its result would then differ from the stored hash at every login.
const SALT: usize = 12;

/// Bytes of a password, libxcrypt's `CRYPT_MAX_PASSPHRASE_SIZE`.
const LONGEST: usize = 512;

/// The hash of `password` with a fresh salt, SHA-512 as in crypt(5).
///
/// # Errors
/// It cannot be a password, or the system gives no random numbers.
pub fn hash(password: &Secret) -> Result<PasswordHash, Invalid> {
    let text = password.reveal();
    if text.is_empty() {
        return Err(Invalid::new("the password is empty"));
    }
    if text.len() > LONGEST {
        return Err(Invalid::new(format!("the password is longer than {LONGEST} bytes")));
    }
    if text.contains(char::is_control) {
        return Err(Invalid::new("the password has a control character in it"));
    }
    let failed = |what: &str| Invalid::new(format!("the password could not be hashed: {what}"));
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|_| failed("the system gives no random numbers"))?;
    let params = Params::new(ROUNDS).map_err(|_| failed("the number of rounds is refused"))?;
    let hash = ShaCrypt::new(Algorithm::Sha512Crypt, params)
        .hash_password_with_salt(text.as_bytes(), &salt)
        .map_err(|_| failed("it is refused"))?;
    hash.as_str().parse()
}

#[cfg(test)]
mod tests {
    use sha_crypt::PasswordVerifier;

    use super::*;

    #[test]
    fn a_hash_verifies_its_password_and_no_other() {
        let password = Secret::new("correct horse".to_owned());
        let first = hash(&password).unwrap();
        let parts: Vec<_> = first.reveal().split('$').collect();
        assert_eq!((parts[1], parts[2], parts[3].len()), ("6", "rounds=200000", 16));
        let stored = sha_crypt::PasswordHashRef::new(first.reveal()).unwrap();
        assert!(ShaCrypt::default().verify_password(b"correct horse", stored).is_ok());
        assert!(ShaCrypt::default().verify_password(b"wrong horse", stored).is_err());
        assert_ne!(first, hash(&password).unwrap(), "the salt is fresh");
    }

    #[test]
    fn what_cannot_be_a_password_is_refused_and_not_repeated() {
        for text in ["", "hunter2\u{1b}", &"hunter".repeat(LONGEST)] {
            let error = hash(&Secret::new(text.to_owned())).unwrap_err();
            assert!(!error.message.contains("hunter"), "{}", error.message);
        }
    }
}
