//! `/nix/store/…` → a name that is safe to use as one path component.

use std::borrow::Borrow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};

/// Where every store path lives; another place would change all hashes.
pub const STORE: &str = "/nix/store";

/// Characters of the hash in a store path's name.
const HASH_LENGTH: usize = 32;

/// The longest name that Nix accepts, with the hash and the dash before it.
const MAX_LENGTH: usize = 211 + HASH_LENGTH + 1;

/// The characters of Nix's own base 32: no `e`, `o`, `t`, `u`.
pub(crate) const BASE32: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// A store path, by the name that it has in [`STORE`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath(Arc<str>);

impl StorePath {
    /// Takes an absolute path directly below [`STORE`].
    ///
    /// The rules for the name are those of `checkName` and `StorePath` in Nix's libstore/path.cc:
    /// a name that obeys them can't leave the store.
    ///
    /// # Errors
    /// It is no store path.
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// use nixvm_copy::StorePath;
    ///
    /// let path = StorePath::parse("/nix/store/00000000000000000000000000000000-hello-2.12")?;
    /// let on_target = path.below(Path::new("/mnt"));
    /// assert_eq!(
    ///     on_target.to_str(),
    ///     Some("/mnt/nix/store/00000000000000000000000000000000-hello-2.12")
    /// );
    /// assert!(StorePath::parse("/nix/store/../etc/passwd").is_err());
    /// # Ok::<(), anyhow::Error>(())
    /// ```
    pub fn parse(path: &str) -> Result<Self> {
        let name = path
            .strip_prefix(STORE)
            .and_then(|rest| rest.strip_prefix('/'))
            .with_context(|| format!("{path:?} is not in {STORE}"))?;
        Self::from_name(name)
    }

    /// Takes the name alone.
    ///
    /// # Errors
    /// It is not the name of a store path.
    pub fn from_name(name: &str) -> Result<Self> {
        let bad = |why: &str| format!("{name:?} is not a store path's name: {why}");
        let bytes = name.as_bytes();
        ensure!(bytes.len() <= MAX_LENGTH, bad("it is too long"));
        let Some((hash, [b'-', rest @ ..])) = bytes.split_at_checked(HASH_LENGTH) else {
            bail!(bad("it does not begin with a hash and a dash"));
        };
        ensure!(hash.iter().all(|c| BASE32.contains(c)), bad("its hash has other characters"));
        let plain = |c: &u8| c.is_ascii_alphanumeric() || b"+-._?=".contains(c);
        ensure!(!rest.is_empty() && rest.iter().all(plain), bad("it has other characters"));
        let first = rest.split(|c| *c == b'-').next().unwrap_or_default();
        ensure!(first != b"." && first != b"..", bad("it begins with dots alone"));
        Ok(Self(name.into()))
    }

    /// The name in the store.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The path below the file system whose root is `root`.
    pub fn below(&self, root: &Path) -> PathBuf {
        root.join("nix/store").join(&*self.0)
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE}/{}", self.0)
    }
}

impl Borrow<str> for StorePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdfghijklmnpqrsvwxyz";

    #[test]
    fn names_of_real_packages_are_taken() {
        for name in ["gcc-14.2.1+deb", "a", ".hidden", "...", "x?y=z_1"] {
            let path = format!("{STORE}/{HASH}-{name}");
            assert_eq!(StorePath::parse(&path).unwrap().to_string(), path);
        }
        let longest = format!("{HASH}-{}", "n".repeat(211));
        assert!(StorePath::from_name(&longest).is_ok());
        assert!(StorePath::from_name(&format!("{longest}n")).is_err());
    }

    #[test]
    fn nothing_leaves_the_store() {
        let within = |name: &str| format!("{STORE}/{HASH}-{name}");
        for path in [
            String::new(),
            "/".into(),
            STORE.into(),
            format!("{STORE}/"),
            format!("{STORE}/.."),
            format!("{STORE}/../../etc/passwd"),
            format!("{STORE}x/{HASH}-a"),
            format!("{STORE}//{HASH}-a"),
            format!("nix/store/{HASH}-a"),
            format!("/etc/{HASH}-a"),
            within(""),
            within("a/../.."),
            within("a/b"),
            within(".."),
            within("."),
            within("..-x"),
            within("a\0"),
            within("a\n"),
            within("ä"),
            within("a b"),
            format!("{STORE}/{}-a", HASH.replace('z', "e")),
            format!("{STORE}/{}-a", HASH.replace('z', "Z")),
            format!("{STORE}/{HASH}a"),
            format!("{STORE}/{}ä-a", &HASH[..31]),
        ] {
            assert!(StorePath::parse(&path).is_err(), "{path:?}");
        }
    }
}
