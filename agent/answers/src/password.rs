//! Text → [`PasswordHash`], kept as a [`Secret`].

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::value::Invalid;

/// What a secret shows of itself, wherever it is formatted or serialised.
const MASK: &str = "(not shown)";

/// A text that is not shown by any formatting or serialising, and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over `text`.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. To be handed to a program's standard input or a file, never to its
    /// arguments or a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

/// A password's hash as crypt(5) writes it, of a scheme that the installed system can verify.
///
/// A hash of another scheme would be stored and then match nothing: no login would succeed.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PasswordHash(Secret);

/// The schemes that nixpkgs' libxcrypt verifies (its `enabledCryptSchemeIds`), as a pattern.
///
/// Shapes and alphabets are crypt(5)'s. The last sign of a hash, and the last one of bcrypt's salt,
/// has fewer bits than a sign can hold: crypt(3) never writes the others.
const PATTERN: &str = "^\\$(g?y\\$[./j][/-9A-Za-z][./0-9A-Za-j]\\$[./A-Za-z0-9]{0,86}\\$[./A-Za-z0-9]{42}[./0-9A-D]\
    |7\\$[/-9A-Za-z][./A-Za-z0-9]{10,96}\\$[./A-Za-z0-9]{42}[./0-9A-D]\
    |2[aby]\\$(0[4-9]|[12][0-9]|3[01])\\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]\
    |6\\$(rounds=[1-9][0-9]{3,8}\\$)?[^\\x00-\\x20$!*:;\\\\\\x7f-\\uffff]{0,16}\\$[./A-Za-z0-9]{85}[./01])$";

/// What to do instead, in every refusal.
const REMEDY: &str = "make a hash with `mkpasswd` and give it in 'single quotes'; \
    a password itself is never taken";

impl PasswordHash {
    /// The hash itself; see [`Secret::reveal`].
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

impl FromStr for PasswordHash {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        check(text).map_err(|message| Invalid::new(message).hint(REMEDY))?;
        Ok(Self(Secret::new(text.to_owned())))
    }
}

/// The messages never quote: what is refused may be a password.
fn check(text: &str) -> Result<(), &'static str> {
    let Some((scheme, rest)) = text.strip_prefix('$').and_then(|text| text.split_once('$')) else {
        return Err("this is not a password hash");
    };
    let fields: Vec<&str> = rest.split('$').collect();
    let whole = match (scheme, fields.as_slice()) {
        ("y" | "gy", [cost, salt, hash]) => {
            is_yescrypt_cost(cost) && is_bytes(salt) && is_hash(hash, 43, "./0123456789ABCD")
        }
        ("7", [cost_and_salt, hash]) => {
            is_scrypt_setting(cost_and_salt) && is_hash(hash, 43, "./0123456789ABCD")
        }
        ("2a" | "2b" | "2y", [cost, salt_and_hash]) => {
            let salt = salt_and_hash.get(..22).is_some_and(|salt| is_hash(salt, 22, ".Oeu"));
            matches!(cost.parse(), Ok(4..=31))
                && is_coded(cost, 2, 2)
                && salt
                && is_hash(salt_and_hash, 53, ".CGKOSWaeimquy26")
        }
        ("6", [salt, hash]) => {
            is_salt(salt) && !salt.starts_with("rounds=") && is_hash(hash, 86, "./01")
        }
        ("6", [rounds, salt, hash]) => {
            let rounds = rounds.strip_prefix("rounds=").filter(|n| !n.starts_with(['0', '+']));
            matches!(rounds.map(str::parse), Some(Ok(1000..=999_999_999)))
                && is_salt(salt)
                && is_hash(hash, 86, "./01")
        }
        ("1" | "5" | "md5" | "sha1" | "argon2i" | "argon2id", _) => {
            return Err("this hash is of a scheme that NixOS cannot log in with");
        }
        ("y" | "gy" | "7" | "2a" | "2b" | "2y" | "6", _) => false,
        _ => return Err("this is not a password hash"),
    };
    if whole { Ok(()) } else { Err("this password hash is incomplete or damaged") }
}

/// Whether `text` is crypt(5)'s base 64 and has from `least` to `most` signs.
fn is_coded(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"./".contains(&b))
}

/// Whether `text` is base 64 of `length` signs, the last of which is one of `last`.
fn is_hash(text: &str, length: usize, last: &str) -> bool {
    is_coded(text, length, length) && text.ends_with(|sign| last.contains(sign))
}

/// The value of a sign of crypt(5)'s base 64, but for bcrypt's, which has another order.
fn sign_value(sign: u8) -> Option<u32> {
    let value = match sign {
        b'.' | b'/' => sign - b'.',
        b'0'..=b'9' => sign - b'0' + 2,
        b'A'..=b'Z' => sign - b'A' + 12,
        b'a'..=b'z' => sign - b'a' + 38,
        _ => return None,
    };
    Some(value.into())
}

/// Whether `text` is whole bytes, at most 64, in yescrypt's base 64, whose last group has to be one
/// that it would write itself.
fn is_bytes(text: &str) -> bool {
    let tail = text.len() % 4;
    // Six bits a sign, the lowest first: what does not make up a byte has to be zero.
    let spare = match tail {
        0 => true,
        2 => text.ends_with(|sign| "./01".contains(sign)),
        3 => text.ends_with(|sign| "./0123456789ABCD".contains(sign)),
        _ => false,
    };
    is_coded(text, 0, 86) && spare
}

/// The most memory that libxcrypt's own gensalt(3) asks of scrypt and yescrypt: 1 GiB, as a power of
/// two. A login that needs more can't be counted on.
const MOST_MEMORY: u32 = 30;

/// Whether 128 · r · N bytes, with N as a power of two, are not too many.
fn fits_memory(n_log2: u32, r: u32) -> bool {
    let memory = u64::from(r).checked_shl(n_log2 + 7);
    n_log2 <= MOST_MEMORY && memory.is_some_and(|memory| memory <= 1 << MOST_MEMORY)
}

/// yescrypt's flavour, N and r, in a sign each. Its further parameters, which gensalt(3) never
/// writes, are not taken.
fn is_yescrypt_cost(text: &str) -> bool {
    let [b'.' | b'/' | b'j', n, r] = text.as_bytes() else { return false };
    match (sign_value(*n), sign_value(*r)) {
        // From 48 on, a sign begins a longer number.
        (Some(n), Some(r)) => n >= 1 && r < 48 && fits_memory(n + 1, r + 1),
        _ => false,
    }
}

/// scrypt's N in a sign, r and p in five each, the lowest first, and the salt.
fn is_scrypt_setting(text: &str) -> bool {
    if !is_coded(text, 11, 97) {
        return false;
    }
    let number = |from: usize| {
        let signs = text.as_bytes().get(from..from + 5)?;
        signs.iter().rev().try_fold(0_u32, |sum, sign| Some((sum << 6) | sign_value(*sign)?))
    };
    let n = text.bytes().next().and_then(sign_value);
    match (n, number(1), number(6)) {
        (Some(n), Some(r), Some(p)) => {
            n >= 2 && r >= 1 && p >= 1 && fits_memory(n, r) && u64::from(r) * u64::from(p) < 1 << 30
        }
        _ => false,
    }
}

/// SHA-512's salt: what crypt(3) lets into a hash, and not more than it looks at.
fn is_salt(text: &str) -> bool {
    text.len() <= 16 && text.bytes().all(|b| b.is_ascii_graphic() && !b"$!*:;\\".contains(&b))
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for PasswordHash {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PasswordHash".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with libxcrypt's crypt(3), password `correct horse`.
    const GOOD: [&str; 6] = [
        "$y$j9T$LClMHtvsWc/ydt8RO/ana.$j7eBBA.ylNoKratIBy/uEF5lOQPHEN3oJmhOGbkLja5",
        "$gy$j9T$z2xAhfRnbfqX6A587Ubrh.$qdE8HcguuxIKjSUfPkwybi72MdBHWQwCQaZ9mR3l8a/",
        "$7$BU..../....Qi/MQ2S.7DSrjdEbqzf/C1$SVag6WQMxhlpydgVtI621uOJHjoXVdl9uQYpmzg/6L3",
        "$2b$05$brngTNzGAqoFji5Ue.9iferNHD0WvKD6q0dEPXARfwfNFIRVkev.q",
        "$6$pF1hibcBdPFIAvqO$bMZhavMXjlywpv65HrucY/NQFZe1bTtp3R9CVxxO4sE8dNEEGoTFjWTWu8e9Rv5Vu4g9ZuZSza7pRtnpj7MLw1",
        "$6$rounds=200000$bfO7PEpBtMGakw46$xXTgjYnlAIbMA/Ce6qsi3qZDC.UNDnw/RNfyS.vQa/Z2OGMOafVmdjOkEMLVa5.kgbDwx1MkePndbbgmYe5H1.",
    ];

    #[test]
    fn hashes_that_the_system_verifies_are_taken() {
        for good in GOOD {
            assert_eq!(good.parse::<PasswordHash>().unwrap().reveal(), good);
        }
    }

    #[test]
    fn anything_shorter_is_damaged() {
        for good in GOOD {
            assert!(good[..good.len() - 1].parse::<PasswordHash>().is_err(), "{good}");
            assert!(format!("{good}x").parse::<PasswordHash>().is_err(), "{good}");
            assert!(format!("{good}\n").parse::<PasswordHash>().is_err(), "{good}");
        }
    }

    #[test]
    fn the_last_sign_of_a_hash_is_one_that_crypt_writes() {
        for good in GOOD {
            let bad = format!("{}z", &good[..good.len() - 1]);
            assert!(bad.parse::<PasswordHash>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for bad in [
            "",
            "hunter2",
            "!",
            "*",
            "$hunter2",
            "$hunter2$hunter2",
            "$y$hunter2",
            "$1$hunter2$hunter2",
            "$6$rounds=1$hunter2$hunter2",
            "$6$hunter2:x$y",
        ] {
            let error = bad.parse::<PasswordHash>().unwrap_err().to_string();
            assert!(error.contains("`mkpasswd`") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn no_formatting_shows_a_secret() {
        let hash: PasswordHash = GOOD[0].parse().unwrap();
        let shown = format!("{hash} {hash:?} {hash:#?} {}", serde_json::to_string(&hash).unwrap());
        assert!(!shown.contains("$y$"), "{shown}");
        let secret = Secret::new("hunter2".into());
        let shown = format!("{secret} {secret:?} {}", serde_json::to_string(&secret).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
