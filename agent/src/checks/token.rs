//! A system credential → the bearer token in it, which a server is shown.
//!
//! As every user can read the kernel's command line, no token is there.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nixvm_answers::document;
use nixvm_answers::password::Secret;

use crate::plan::Unfetched;

/// Where systemd puts the credentials.
const FOLDER: &str = "run/credentials/@system";

/// Bytes of a token.
const LONGEST: usize = 4096;

/// The token in the credential `name` below `root`; none if there is no such credential.
pub(crate) fn read(root: &Path, name: &str) -> Result<Option<Secret>, Unfetched> {
    token(&root.join(FOLDER).join(name))
        .map_err(|error| Unfetched::Token { error: format!("{error:#}") })
}

fn token(path: &Path) -> Result<Option<Secret>> {
    let bytes = match File::open(path).and_then(document::read_limited) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    let token = Secret::new(String::from_utf8_lossy(&bytes).trim_end().to_owned());
    // The characters of RFC 6750, section 2.1.
    let is_taken = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    let text = token.reveal();
    ensure!(!text.is_empty(), "it is empty");
    ensure!(text.len() <= LONGEST, "it has more than {LONGEST} characters");
    ensure!(text.bytes().all(is_taken), "a character in it can't be in a bearer token");
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_credential_and_is_never_in_a_message() {
        let root = tempfile::tempdir().unwrap();
        let read = || read(root.path(), "a.token");
        assert!(read().unwrap().is_none());
        let folder = root.path().join(FOLDER);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.token");
        std::fs::write(&path, "s3cret-._~+/==\n").unwrap();
        assert_eq!(read().unwrap().unwrap().reveal(), "s3cret-._~+/==");
        for bad in ["", "\n", "s3cret two", "s3cret\r\nX-Other: 1", &"s3cret".repeat(1000)] {
            std::fs::write(&path, bad).unwrap();
            let error = read().map(|_| ()).unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
