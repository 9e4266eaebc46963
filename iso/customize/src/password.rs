//! Two prompts on the terminal → a password's hash.

use anyhow::{Context, Result, bail};
use nixvm_answers::hashing;
use nixvm_answers::password::{PasswordHash, Secret};

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
    if prompt("Once more: ")? != password {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok(hashing::hash(&password)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(typed: &[&str]) -> Result<PasswordHash> {
        let mut typed = typed.iter();
        agree(|_| Ok(Secret::new(typed.next().context("asked too often")?.to_string())))
    }

    #[test]
    fn a_password_typed_alike_twice_becomes_a_hash() {
        assert!(asked(&["correct horse", "correct horse"]).unwrap().reveal().starts_with("$6$"));
    }

    #[test]
    fn what_cannot_be_a_password_is_refused_and_not_repeated() {
        let long = "x".repeat(600);
        for typed in [["hunter2", "hunter3"], ["", ""], ["hunter2\u{1b}", "hunter2\u{1b}"]] {
            let error = format!("{:#}", asked(&typed).unwrap_err());
            assert!(!error.contains("hunter"), "{error}");
        }
        assert!(asked(&[&long, &long]).is_err());
    }
}
