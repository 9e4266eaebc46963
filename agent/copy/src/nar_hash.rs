//! The ways in which Nix writes a SHA-256 → its 32 bytes.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::store_path::BASE32;

/// Bytes of a SHA-256.
const LENGTH: usize = 32;

/// SHA-256 of a store path's NAR.
///
/// ```
/// use nixvm_copy::nar_hash::NarHash;
///
/// let hash: NarHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse()?;
/// assert_eq!(
///     hash.to_string(),
///     "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"
/// );
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NarHash(pub [u8; LENGTH]);

impl FromStr for NarHash {
    type Err = anyhow::Error;

    /// Takes `sha256:` or nothing before base 16 or Nix's base 32, and `sha256-` before base 64, as
    /// `Hash::parseAny` in Nix's libutil/hash.cc does.
    fn from_str(text: &str) -> Result<Self> {
        let about = || format!("{text:?} is not a SHA-256");
        if let Some(encoded) = text.strip_prefix("sha256-") {
            let bytes = STANDARD.decode(encoded).with_context(about)?;
            return Ok(Self(bytes.try_into().ok().with_context(about)?));
        }
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        match digits.len() {
            64 => base16(digits),
            52 => base32(digits),
            _ => bail!("it has the wrong length"),
        }
        .with_context(about)
    }
}

/// As Nix shows it: in its base 32.
impl fmt::Display for NarHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        for place in (0..52).rev() {
            let (byte, bit) = (place * 5 / 8, place * 5 % 8);
            let high = self.0.get(byte + 1).copied().unwrap_or_default();
            let value = u16::from_le_bytes([self.0[byte], high]) >> bit & 31;
            write!(f, "{}", BASE32[usize::from(value)] as char)?;
        }
        Ok(())
    }
}

fn base16(digits: &str) -> Result<NarHash> {
    ensure!(digits.bytes().all(|c| c.is_ascii_hexdigit()), "it is not base 16");
    let mut hash = [0; LENGTH];
    for (place, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * place..2 * place + 2], 16)?;
    }
    Ok(NarHash(hash))
}

/// Nix's base 32 counts the bits from the last character on.
fn base32(digits: &str) -> Result<NarHash> {
    let mut hash = [0; LENGTH];
    for (place, digit) in digits.bytes().rev().enumerate() {
        let value = BASE32.iter().position(|c| *c == digit).context("it is not Nix's base 32")?;
        let (byte, bit) = (place * 5 / 8, place * 5 % 8);
        let [low, high] = u16::to_le_bytes((value as u16) << bit);
        hash[byte] |= low;
        match hash.get_mut(byte + 1) {
            Some(next) => *next |= high,
            None => ensure!(high == 0, "it has too many bits"),
        }
    }
    Ok(NarHash(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_notations_of_a_known_hash_are_read() {
        // SHA-256 of nothing, as `nix hash to-base16`, `to-base32` and `to-sri` write it.
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let nix32 = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
        let sri = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let hash: NarHash = hex.parse().unwrap();
        assert_eq!(hash.to_string(), format!("sha256:{nix32}"));
        for text in [nix32, sri, &format!("sha256:{nix32}"), &format!("sha256:{hex}")] {
            assert_eq!(text.parse::<NarHash>().unwrap(), hash, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "sha256:",
            "sha256-",
            "sha1:0000",
            &"g".repeat(64),
            &"ä".repeat(32),
            &"ä".repeat(26),
            &"z".repeat(52),
            &"e".repeat(52),
        ] {
            assert!(text.parse::<NarHash>().is_err(), "{text}");
        }
    }
}
