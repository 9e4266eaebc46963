//! Answers' text ⇄ the bytes that an ISO reserves for them.
//!
//! The ISO holds a file of fixed size, so that answers can be put into a finished image without
//! moving anything. It begins with a header of fixed size that names the format, the text's length
//! and a checksum over everything; the text follows; line ends fill the rest. Header and text
//! together are valid TOML, so that the file can be read on a mounted ISO.

use std::fmt;

use sha2::{Digest, Sha256};

/// The file's place in the ISO's root.
pub const PATH: [&str; 2] = ["nixvm", "answers.toml"];

/// Bytes of the file.
pub const SIZE: usize = 64 * 1024;

/// Bytes of the header.
const HEADER: usize = 256;

/// Bytes of text that fit.
pub const CAPACITY: usize = SIZE - HEADER;

/// What the file begins with, whatever its version.
pub const MAGIC: &[u8] = b"# nixvm answers area, format ";

/// The format's version, in two digits.
const VERSION: &str = "01";

/// What fills the header.
const NOTE: &str = "# Write it with `nixvm-iso customize`; edited by hand, it would be refused.";

/// Why bytes are not an area with answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// They do not begin with [`MAGIC`].
    NoArea,
    /// They are of a later format.
    OtherVersion,
    /// They are not what was written: a write was cut short, or the file was damaged or edited.
    Damaged,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoArea => "there is no answers area",
            Self::OtherVersion => "the answers area is of a format that this version cannot read",
            Self::Damaged => "the answers area is damaged, or a write to it was cut short",
        })
    }
}

impl std::error::Error for Unreadable {}

/// The text does not fit into the area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Bytes it has.
    pub length: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answers have {} bytes, and the ISO has room for {CAPACITY}", self.length)
    }
}

impl std::error::Error for TooLong {}

/// The bytes of an area that holds `text`. The same text always gives the same bytes.
///
/// # Errors
/// It has more than [`CAPACITY`] bytes.
///
/// ```
/// use nixvm_answers::area;
///
/// let area = area::encode("hostname = 'web'\n")?;
/// assert_eq!(area.len(), area::SIZE);
/// assert_eq!(area::decode(&area), Ok("hostname = 'web'\n"));
/// assert_eq!(area::decode(&area[1..]), Err(area::Unreadable::NoArea));
/// # Ok::<(), area::TooLong>(())
/// ```
pub fn encode(text: &str) -> Result<Vec<u8>, TooLong> {
    let length = text.len();
    if length > CAPACITY {
        return Err(TooLong { length });
    }
    let mut area = header(length, &"0".repeat(64)).into_bytes();
    area.extend_from_slice(text.as_bytes());
    area.resize(SIZE, b'\n');
    let sum = Sha256::digest(&area);
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    area[..HEADER].copy_from_slice(header(length, &sum).as_bytes());
    Ok(area)
}

/// The text of an area; empty if it holds no answers.
///
/// # Errors
/// The bytes differ in any way from what [`encode`] makes of that text.
pub fn decode(area: &[u8]) -> Result<&str, Unreadable> {
    let rest = area.strip_prefix(MAGIC).ok_or(Unreadable::NoArea)?;
    if let Some(version) = rest.get(..VERSION.len())
        && version != VERSION.as_bytes()
        && version.iter().all(u8::is_ascii_digit)
    {
        return Err(Unreadable::OtherVersion);
    }
    let text = length(area)
        .and_then(|length| area.get(HEADER..HEADER + length))
        .and_then(|text| std::str::from_utf8(text).ok())
        .ok_or(Unreadable::Damaged)?;
    match encode(text) {
        Ok(intact) if intact == area => Ok(text),
        _ => Err(Unreadable::Damaged),
    }
}

fn header(length: usize, sum: &str) -> String {
    let magic = String::from_utf8_lossy(MAGIC);
    let start = format!("{magic}{VERSION}\n# length {length:05}\n# sha256 {sum}\n{NOTE}\n");
    format!("{start}#{}\n", " ".repeat(HEADER - 2 - start.len()))
}

/// The length that the header names.
fn length(area: &[u8]) -> Option<usize> {
    let header = std::str::from_utf8(area.get(..HEADER)?).ok()?;
    header.lines().nth(1)?.strip_prefix("# length ")?.parse().ok().filter(|l| *l <= CAPACITY)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY_SUM: &str = "97c5bdab350bea6cf9871329d78240ff1076c85398b75ca14529a71e24c9f6b0";

    /// Every published ISO begins its place for answers like this, and `iso/answers-area.nix` writes
    /// the same bytes.
    #[test]
    fn the_empty_area_has_this_header_and_line_ends() {
        let empty = encode("").unwrap();
        let header = "\
# nixvm answers area, format 01
# length 00000
# sha256 SUM
# Write it with `nixvm-iso customize`; edited by hand, it would be refused.
";
        let header = header.replace("SUM", EMPTY_SUM);
        let padded = format!("{header}#{}\n", " ".repeat(HEADER - 2 - header.len()));
        assert_eq!(str::from_utf8(&empty[..HEADER]).unwrap(), padded);
        assert_eq!(empty.len(), SIZE);
        assert!(empty[HEADER..].iter().all(|byte| *byte == b'\n'));
        assert_eq!(decode(&empty), Ok(""));
    }

    #[test]
    fn an_area_is_toml_as_it_stands() {
        let area = encode("hostname = \"web\"\n").unwrap();
        let table: toml::Table = toml::from_str(str::from_utf8(&area).unwrap()).unwrap();
        assert_eq!(table["hostname"].as_str(), Some("web"));
    }

    #[test]
    fn text_fits_to_the_last_byte() {
        let text = "#".repeat(CAPACITY);
        assert_eq!(decode(&encode(&text).unwrap()), Ok(text.as_str()));
        let long = encode(&"#".repeat(CAPACITY + 1));
        assert_eq!(long, Err(TooLong { length: CAPACITY + 1 }));
    }

    #[test]
    fn a_later_format_is_told_from_damage() {
        let mut area = encode("").unwrap();
        area[MAGIC.len() + 1] = b'2';
        assert_eq!(decode(&area), Err(Unreadable::OtherVersion));
        area[MAGIC.len() + 1] = b'2' ^ 0x80;
        assert_eq!(decode(&area), Err(Unreadable::Damaged));
        assert_eq!(decode(b"# another file"), Err(Unreadable::NoArea));
        assert_eq!(decode(&encode("a").unwrap()[..SIZE - 1]), Err(Unreadable::Damaged));
    }

    proptest! {
        #[test]
        fn text_comes_back(text in "(?s).{0,300}") {
            let area = encode(&text).unwrap();
            prop_assert_eq!(decode(&area), Ok(text.as_str()));
        }

        #[test]
        fn any_damage_is_noticed(
            text in "(?s).{0,300}",
            at in prop_oneof![0..HEADER, 0..SIZE],
            damage in 1_u8..,
        ) {
            let mut area = encode(&text).unwrap();
            area[at] ^= damage;
            prop_assert!(decode(&area).is_err());
        }

        /// A write that is cut short, at whatever byte, leaves the old text, the new one or an error.
        #[test]
        fn a_torn_write_is_never_half_read(
            old in "(?s).{0,300}",
            new in "(?s).{0,300}",
            at in prop_oneof![0..HEADER + 600, 0..=SIZE],
        ) {
            let (old_area, new_area) = (encode(&old).unwrap(), encode(&new).unwrap());
            let torn = [&new_area[..at], &old_area[at..]].concat();
            match decode(&torn) {
                Ok(text) if text == old => prop_assert!(torn == old_area),
                Ok(text) => prop_assert!(text == new && torn == new_area),
                Err(_) => {}
            }
        }
    }
}
