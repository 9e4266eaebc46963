//! The system credential `nixvm.passphrase` → the text in it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use nixvm_answers::document;
use nixvm_answers::password::Secret;

/// What the credential is called.
const NAME: &str = "nixvm.passphrase";

/// Where systemd puts it.
const CREDENTIAL: &str = "run/credentials/@system/nixvm.passphrase";

/// The passphrase below `root`, without the end of its line; none if there is no such credential.
///
/// # Errors
/// It can't be read, to follow "the passphrase".
pub fn read_passphrase(root: &Path) -> Option<Result<Secret, String>> {
    let command_line = std::fs::read(root.join("proc/cmdline")).unwrap_or_default();
    if command_line.windows(NAME.len()).any(|word| word == NAME.as_bytes()) {
        return Some(Err("is on the kernel command line, where every user can read it".to_owned()));
    }
    let bytes = match File::open(root.join(CREDENTIAL)).and_then(document::read_limited) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(format!("can't be read: {error}"))),
    };
    let Ok(mut text) = String::from_utf8(bytes) else {
        return Some(Err("is no text".to_owned()));
    };
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Some(Ok(Secret::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_passphrase_is_the_credential_without_the_end_of_its_line() {
        let root = tempfile::tempdir().unwrap();
        let read = || read_passphrase(root.path());
        assert!(read().is_none());
        let path = root.path().join(CREDENTIAL);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        for (bytes, expected) in [(&b"two words \r\n"[..], "two words "), (b"-n", "-n")] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read().unwrap().unwrap().reveal(), expected);
        }
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert_eq!(read().unwrap().unwrap_err(), "is no text");
        std::fs::create_dir(root.path().join("proc")).unwrap();
        let command_line = root.path().join("proc/cmdline");
        std::fs::write(&command_line, "quiet systemd.set_credential=nixvm.passphrase:open")
            .unwrap();
        assert!(read().unwrap().unwrap_err().contains("kernel command line"));
        std::fs::write(&command_line, "quiet").unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(read().unwrap().unwrap_err().starts_with("can't be read: "));
    }
}
