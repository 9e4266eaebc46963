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
const PATTERN: &str = "^\\$((y|gy)\\$[./A-Za-z0-9]+\\$[./A-Za-z0-9]{1,86}\\$[./A-Za-z0-9]{43}\
    |7\\$[./A-Za-z0-9]{12,97}\\$[./A-Za-z0-9]{43}\
    |2[aby]\\$[0-9]{2}\\$[./A-Za-z0-9]{53}\
    |6\\$(rounds=[0-9]{4,9}\\$)?[./A-Za-z0-9]{1,16}\\$[./A-Za-z0-9]{86})$";

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
            is_coded(cost, 1, 16) && is_coded(salt, 1, 86) && is_coded(hash, 43, 43)
        }
        // One sign for N, five each for r and p, then the salt.
        ("7", [cost_and_salt, hash]) => is_coded(cost_and_salt, 12, 97) && is_coded(hash, 43, 43),
        ("2a" | "2b" | "2y", [cost, salt_and_hash]) => {
            matches!(cost.parse(), Ok(4..=31)) && cost.len() == 2 && is_coded(salt_and_hash, 53, 53)
        }
        ("6", [salt, hash]) => is_coded(salt, 1, 16) && is_coded(hash, 86, 86),
        ("6", [rounds, salt, hash]) => {
            let rounds = rounds.strip_prefix("rounds=").and_then(|number| number.parse().ok());
            matches!(rounds, Some(1000..=999_999_999))
                && is_coded(salt, 1, 16)
                && is_coded(hash, 86, 86)
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
