//! A command line as GRUB hands it over → the words of its menu entry.
//!
//! `grub_create_loader_cmdline()` in GRUB's `grub-core/lib/cmdline.c` puts a backslash before each
//! `'`, `"` and `\`, but for the backslash of `\xHH`, and double quotes around a whole word with a
//! blank in it. The kernel knows no such escapes.

/// The words that were typed; none if GRUB would not write `text`.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim_ascii();
    while !rest.is_empty() {
        let (word, after) = word(rest)?;
        words.push(word);
        rest = after.trim_ascii_start();
    }
    Some(words)
}

/// The first word of `text`, and what comes after it.
fn word(text: &str) -> Option<(String, &str)> {
    let quoted = text.starts_with('"');
    let mut characters = text.char_indices().skip(usize::from(quoted));
    let mut word = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' if quoted => {
                let after = &text[at + 1..];
                let ends = after.is_empty() || after.starts_with(|c: char| c.is_ascii_whitespace());
                return ends.then_some((word, after));
            }
            '"' | '\'' => return None,
            blank if blank.is_ascii_whitespace() && !quoted => return Some((word, &text[at..])),
            '\\' => match text.as_bytes().get(at + 1..)? {
                [b'\'' | b'"' | b'\\', ..] => word.push(characters.next()?.1),
                [b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    word.push('\\');
                }
                _ => return None,
            },
            other => word.push(other),
        }
    }
    (!quoted).then_some((word, ""))
}
