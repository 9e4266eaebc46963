//! Text → [`AuthorizedKey`], a line of `authorized_keys`.

mod addresses;
mod options;
mod time;

use std::fmt;
use std::str::FromStr;

use ssh_key::public::KeyData;
use ssh_key::{Algorithm, PublicKey};

use crate::value::{Invalid, checked_text};

checked_text! {
    /// One line of sshd's `authorized_keys`: a public key, its options before it if it has any.
    ///
    /// A key that sshd would skip is refused: it would lock its owner out of a machine that they
    /// cannot reach otherwise.
    AuthorizedKey,
    pattern: "^[ \\t]*[^\\x00-\\x20#\\x7f][^\\x00-\\x08\\x0a-\\x1f\\x7f]*[ \\t]+[A-Za-z0-9+/]+={0,2}([ \\t].*)?$",
    check: check
}

/// sshd's `RequiredRSASize`, in bits: shorter keys are ignored.
const SHORTEST_RSA: usize = 1024;

/// The longest RSA modulus that OpenSSH reads (`SSHBUF_MAX_BIGNUM`), in bits.
const LONGEST_RSA: usize = 16_384;

const REMEDY: &str = "give the one line of a file such as ~/.ssh/id_ed25519.pub";

/// The fields of a line.
struct Line<'t> {
    /// Empty if there are none.
    options: &'t str,
    kind: &'t str,
    /// The key in base 64.
    blob: &'t str,
    comment: &'t str,
}

impl AuthorizedKey {
    /// Algorithm and comment, to be recognised by its owner.
    pub fn summary(&self) -> String {
        match split(self.as_str()) {
            Some(Line { kind, comment: "", .. }) => kind.to_owned(),
            Some(line) => format!("{} {}", line.kind, line.comment),
            None => String::new(),
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
    if text.contains(|c: char| c.is_control() && c != '\t') {
        return bad(&"an SSH key is one line");
    }
    if text.trim_start_matches(BLANKS).starts_with('#') {
        return bad(&"this is a comment, and sshd passes it over");
    }
    let Some(line) = split(text) else {
        return bad(&"this is not an SSH public key, or not the whole of it");
    };
    if let Err(why) = options::check(line.options) {
        return bad(&format_args!("this SSH key {why}, so sshd would ignore it"));
    }
    // sshd would take the second one for a part of the first one's comment.
    let mut words = line.comment.split(BLANKS).filter(|word| !word.is_empty());
    if words.any(|word| KINDS.contains(&word)) {
        return bad(&"these are two SSH keys in one, and sshd would ignore the second");
    }
    // sshd takes RSA's signature algorithms for its key type too.
    let kind = if line.kind.starts_with("rsa-sha2-") { "ssh-rsa" } else { line.kind };
    let Ok(key) = PublicKey::from_openssh(&format!("{kind} {}", line.blob)) else {
        return bad(&"this is not an SSH public key, or not the whole of it");
    };
    match (key.algorithm(), key.key_data()) {
        (Algorithm::Dsa | Algorithm::Other(_), _) => {
            let algorithm = key.algorithm();
            bad(&format_args!("sshd does not accept keys of the kind {algorithm}"))
        }
        (_, KeyData::Rsa(rsa)) => match rsa.n.as_positive_bytes().map_or(0, bit_length) {
            bits if bits < SHORTEST_RSA => {
                bad(&format_args!("sshd ignores RSA keys as short as this one, {bits} bits"))
            }
            bits if bits > LONGEST_RSA => {
                bad(&format_args!("sshd ignores RSA keys as long as this one, {bits} bits"))
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Bits of a number whose most significant byte comes first and is not zero.
fn bit_length(bytes: &[u8]) -> usize {
    let unused = bytes.first().map_or(0, |first| first.leading_zeros());
    (bytes.len() * 8).saturating_sub(unused as usize)
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

/// What separates the fields of a line.
const BLANKS: [char; 2] = [' ', '\t'];

/// The key types that sshd reads, but for certificates: those match nothing in `authorized_keys`.
/// DSA, which it no longer accepts, has a refusal of its own.
const KINDS: [&str; 10] = [
    "ssh-ed25519",
    "ssh-rsa",
    "rsa-sha2-256",
    "rsa-sha2-512",
    "ssh-dss",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// The fields of a line: as sshd does, first without options, then with some.
fn split(text: &str) -> Option<Line<'_>> {
    let text = text.trim_start_matches(BLANKS);
    split_key("", text).or_else(|| {
        let (options, rest) = text.split_at(options::end(text)?);
        split_key(options, rest.trim_start_matches(BLANKS))
    })
}

fn split_key<'t>(options: &'t str, text: &'t str) -> Option<Line<'t>> {
    let (kind, rest) = text.split_once(BLANKS)?;
    let rest = rest.trim_start_matches(BLANKS);
    let (blob, comment) = rest.split_once(BLANKS).unwrap_or((rest, ""));
    let comment = comment.trim_matches(BLANKS);
    KINDS.contains(&kind).then_some(Line { options, kind, blob, comment })
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
    fn blanks_and_tabs_separate_the_fields() {
        for good in [
            include_str!("../fixtures/authorized-keys/refused-but-sshd-takes/tab"),
            include_str!("../fixtures/authorized-keys/refused-but-sshd-takes/blanks"),
        ] {
            let key: AuthorizedKey = good.trim_end().parse().unwrap();
            assert_eq!(key.summary(), "ssh-ed25519");
        }
        assert_eq!(parse_file(&ED25519.replace(' ', "\t")).unwrap().len(), 1);
    }

    #[test]
    fn lines_that_sshd_ignores_are_refused_with_the_reason() {
        let key = ED25519.trim_end();
        for (bad, why) in [
            (
                include_str!("../fixtures/authorized-keys/taken-but-sshd-refuses/unknown-option"),
                "options that sshd does not know",
            ),
            (
                include_str!("../fixtures/authorized-keys/taken-but-sshd-refuses/flag-with-value"),
                "options that sshd does not know",
            ),
            (
                include_str!("../fixtures/authorized-keys/taken-but-sshd-refuses/command-unquoted"),
                "an option command whose value is not in \"double quotes\"",
            ),
            (&format!("# {key}"), "a comment"),
            (&format!("{key} {key}"), "two SSH keys in one"),
            (&format!("expiry-time=\"20200101\" {key}"), "has expired"),
            (&format!("from=\"10.0.0.1/8\" {key}"), "does not fit its mask"),
        ] {
            let error = error(bad.trim_end());
            assert!(error.contains(why), "{bad}: {error}");
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
