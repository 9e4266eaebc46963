//! Text → [`AuthorizedKey`], a line of `authorized_keys`.

use std::fmt;
use std::str::FromStr;

use ssh_key::authorized_keys::ConfigOpts;
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, PublicKey};

use crate::value::{Invalid, checked_text};

checked_text! {
    /// One line of sshd's `authorized_keys`: a public key, its options before it if it has any.
    ///
    /// A key that sshd would skip is refused: it would lock its owner out of a machine that they
    /// cannot reach otherwise.
    AuthorizedKey,
    pattern: "^[^\\x00-\\x1f\\x7f]+ [A-Za-z0-9+/=]+( .*)?$",
    check: check
}

/// sshd's `RequiredRSASize`, in bits: shorter keys are ignored.
const SHORTEST_RSA: usize = 1024;

const REMEDY: &str = "give the one line of a file such as ~/.ssh/id_ed25519.pub";

impl AuthorizedKey {
    /// Algorithm and comment, to be recognised by its owner.
    pub fn summary(&self) -> String {
        let (_, key) = split_options(self.as_str());
        let mut words = key.splitn(3, ' ');
        let algorithm = words.next().unwrap_or_default();
        match words.nth(1) {
            Some(comment) => format!("{algorithm} {comment}"),
            None => algorithm.to_owned(),
        }
    }
}

/// The keys of a text such as a `.pub` file or a whole `authorized_keys`; blank lines and comments
/// are passed over.
///
/// # Errors
/// A line is not a key, or there is none. The line is named by its number, never quoted: it may be
/// of a private key.
pub fn parse_file(text: &str) -> Result<Vec<AuthorizedKey>, Invalid> {
    check_private(text)?;
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let keys: Vec<AuthorizedKey> = lines
        .map(|(number, line)| (number + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            AuthorizedKey::from_str(line).map_err(|error| Invalid {
                message: format!("line {number}: {}", error.message),
                hint: error.hint,
            })
        })
        .collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err(Invalid::new("there is no key in it").hint(REMEDY));
    }
    Ok(keys)
}

fn check(text: &str) -> Result<(), Invalid> {
    let bad = |message: &dyn fmt::Display| Err(Invalid::new(message.to_string()).hint(REMEDY));
    check_private(text)?;
    if text.contains(char::is_control) {
        return bad(&"an SSH key is one line");
    }
    let (options, key) = split_options(text);
    // ssh-key takes no blanks in options, not even between quotes; split_options left no other.
    if options.is_some_and(|options| ConfigOpts::new(options.replace(' ', "_")).is_err()) {
        return bad(&"this SSH key has options that sshd would not understand");
    }
    let Ok(key) = PublicKey::from_openssh(key) else {
        return bad(&"this is not an SSH public key, or not the whole of it");
    };
    match (key.algorithm(), key.key_data()) {
        (Algorithm::Dsa | Algorithm::Other(_), _) => {
            let algorithm = key.algorithm();
            bad(&format_args!("sshd does not accept keys of the kind {algorithm}"))
        }
        (_, KeyData::Rsa(rsa)) => match rsa.n.as_positive_bytes().map_or(0, <[u8]>::len) * 8 {
            bits if bits < SHORTEST_RSA => {
                bad(&format_args!("sshd ignores RSA keys as short as this one, {bits} bits"))
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// A private key in a place that is copied about has to be replaced: say so, and repeat none of it.
fn check_private(text: &str) -> Result<(), Invalid> {
    if text.contains("PRIVATE KEY-----") || text.starts_with("PuTTY-User-Key-File") {
        return Err(Invalid::new(
            "this is a PRIVATE key, and it belongs nowhere but on your machine",
        )
        .hint("the public one is in the file whose name ends in .pub"));
    }
    Ok(())
}

/// Options, which may hold blanks between double quotes, and the key after them.
fn split_options(text: &str) -> (Option<&str>, &str) {
    if PublicKey::from_openssh(text).is_ok() {
        return (None, text);
    }
    let mut quoted = false;
    let blank = text.find(|c| {
        quoted ^= c == '"';
        c == ' ' && !quoted
    });
    match blank {
        Some(at) => (Some(&text[..at]), &text[at + 1..]),
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = include_str!("../fixtures/ed25519.pub");
    const DSA: &str = include_str!("../fixtures/dsa.pub");
    const RSA_768: &str = include_str!("../fixtures/rsa-768.pub");
    const PRIVATE: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n";

    fn error(text: &str) -> String {
        text.parse::<AuthorizedKey>().unwrap_err().to_string()
    }

    #[test]
    fn keys_that_sshd_takes() {
        for good in [
            ED25519,
            include_str!("../fixtures/ecdsa.pub"),
            include_str!("../fixtures/rsa.pub"),
            include_str!("../fixtures/sk-ed25519.pub"),
        ] {
            let key: AuthorizedKey = good.trim_end().parse().unwrap();
            assert_eq!(key.as_str(), good.trim_end());
            assert!(key.summary().ends_with(" ada@mac"), "{}", key.summary());
        }
    }

    #[test]
    fn options_and_comments_may_have_blanks() {
        let key = ED25519.trim_end();
        for good in [
            format!("restrict {key}"),
            format!("from=\"10.0.0.0/8\",command=\"echo hello there\" {key}"),
            format!("{key} of Ada Lovelace"),
            key.rsplit_once(' ').unwrap().0.to_owned(),
        ] {
            let key: AuthorizedKey = good.parse().unwrap_or_else(|e| panic!("{good}: {e}"));
            assert!(key.summary().starts_with("ssh-ed25519"), "{}", key.summary());
        }
    }

    #[test]
    fn keys_that_would_lock_their_owner_out_are_refused() {
        assert!(error(DSA.trim_end()).contains("of the kind ssh-dss"));
        assert!(error(RSA_768.trim_end()).contains("768 bits"));
        let key = ED25519.trim_end();
        for bad in ["", "ssh-ed25519", "AAAA", &key[..60], &format!("x\ny {key}"), ED25519] {
            assert!(bad.parse::<AuthorizedKey>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_private_key_is_recognised_and_not_repeated() {
        for error in [error(PRIVATE), parse_file(PRIVATE).unwrap_err().to_string()] {
            assert!(error.contains("PRIVATE key") && !error.contains("b3Blb"), "{error}");
        }
    }

    #[test]
    fn files_have_several_keys_and_blank_lines() {
        let text = format!("# mine\r\n\r\n{ED25519}\n{ED25519}");
        assert_eq!(parse_file(&text).unwrap().len(), 2);
        assert!(parse_file("# none\n").is_err());
        let error = parse_file(&format!("{ED25519}nonsense\n")).unwrap_err();
        assert!(error.message.starts_with("line 2: "), "{error}");
    }
}
