//! Somebody at the keyboard → the hash of their password.

use anyhow::{Context, Result, bail, ensure};
use nixvm_answers::password::{PasswordHash, Secret};
use sha_crypt::{Algorithm, Params, PasswordHasher, ShaCrypt};

/// Rounds of SHA-512, 40 times crypt(3)'s own default: the hash travels in a file that is copied
/// about, and a login still takes less than a second.
const ROUNDS: u32 = 200_000;

/// Bytes that become the 16 signs of salt that crypt(3) uses. A longer salt it would cut off, and
/// its result would then differ from the stored hash at every login.
const SALT: usize = 12;

/// Bytes of a password, libxcrypt's `CRYPT_MAX_PASSPHRASE_SIZE`.
const LONGEST: usize = 512;

/// Asks twice, without showing what is typed, and hashes it.
///
/// # Errors
/// There is no terminal, the two differ, or it cannot be a password.
pub fn ask() -> Result<PasswordHash> {
    agree(|prompt| {
        let typed = rpassword::prompt_password(prompt);
        typed.map(Secret::new).context("a password can only be asked for on a terminal")
    })
}

/// Asks twice by `prompt`.
fn agree(mut prompt: impl FnMut(&str) -> Result<Secret>) -> Result<PasswordHash> {
    let password = prompt("Password for the account to be installed: ")?;
    let text = password.reveal();
    ensure!(!text.is_empty(), "the password is empty");
    ensure!(text.len() <= LONGEST, "the password is longer than {LONGEST} bytes");
    ensure!(!text.contains(char::is_control), "the password has a control character in it");
    if prompt("Once more: ")? != password {
        bail!("the two passwords differ; nothing was changed");
    }
    hash(&password)
}

/// The hash of `password` with a fresh salt, SHA-512 as in crypt(5).
fn hash(password: &Secret) -> Result<PasswordHash> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).context("the system gives no random numbers")?;
    let params = Params::new(ROUNDS).context("the number of rounds is refused")?;
    let hash = ShaCrypt::new(Algorithm::Sha512Crypt, params)
        .hash_password_with_salt(password.reveal().as_bytes(), &salt)
        .context("the password could not be hashed")?;
    Ok(hash.as_str().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(typed: &[&str]) -> Result<PasswordHash> {
        let mut typed = typed.iter();
        agree(|_| Ok(Secret::new(typed.next().context("asked too often")?.to_string())))
    }

    #[test]
    fn a_password_typed_alike_twice_becomes_a_hash_that_verifies() {
        let hash = asked(&["correct horse", "correct horse"]).unwrap();
        let parts: Vec<_> = hash.reveal().split('$').collect();
        assert_eq!((parts[1], parts[2], parts[3].len()), ("6", "rounds=200000", 16));
        use sha_crypt::PasswordVerifier;
        let stored = sha_crypt::PasswordHashRef::new(hash.reveal()).unwrap();
        assert!(ShaCrypt::default().verify_password(b"correct horse", stored).is_ok());
        assert!(ShaCrypt::default().verify_password(b"wrong horse", stored).is_err());
        let again = asked(&["correct horse", "correct horse"]).unwrap();
        assert_ne!(hash, again, "the salt is fresh");
    }

    #[test]
    fn what_cannot_be_a_password_is_refused_and_not_repeated() {
        let long = "x".repeat(LONGEST + 1);
        for typed in [["hunter2", "hunter3"], ["", ""], ["hunter2\u{1b}", "hunter2\u{1b}"]] {
            let error = format!("{:#}", asked(&typed).unwrap_err());
            assert!(!error.contains("hunter"), "{error}");
        }
        assert!(asked(&[&long, &long]).is_err());
    }
}
