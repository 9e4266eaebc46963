//! Bytes from the terminal → keys, as far as the screen knows them.

use rustix::event::Timespec;
use vte::{Params, Parser, Perform};
use zeroize::Zeroize;

/// How long after an escape character the rest of a sequence may take: a serial line or a network
/// may lie in between.
pub(super) const SEQUENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// A key that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A character.
    Char(char),
    Enter,
    Tab,
    BackTab,
    Backspace,
    Escape,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    F1,
    /// A letter together with Control.
    Control(char),
    /// Some other key.
    Other,
}

/// Decodes what arrives, across the borders of reads.
pub(super) struct Decoder {
    parser: Parser,
    found: Found,
    /// The last byte began a sequence.
    begun: bool,
}

impl Decoder {
    /// A decoder that has read nothing.
    pub(super) fn new() -> Self {
        Self { parser: Parser::new(), found: Found::default(), begun: false }
    }

    /// Takes bytes, wipes them, and returns the keys that are complete.
    pub(super) fn take(&mut self, bytes: &mut [u8]) -> Vec<Key> {
        for byte in bytes.iter() {
            self.begun = *byte == 0x1b;
            match byte {
                // The parser takes it for a character.
                0x7f => self.found.push(Key::Backspace),
                byte => self.parser.advance(&mut self.found, std::slice::from_ref(byte)),
            }
        }
        bytes.zeroize();
        std::mem::take(&mut self.found.keys)
    }

    /// Whether the last byte may be the Escape key or the beginning of a sequence.
    pub(super) fn is_undecided(&self) -> bool {
        self.begun
    }

    /// Decides that it was the Escape key: nothing came after it in time.
    pub(super) fn escape(&mut self) -> Key {
        *self = Self::new();
        Key::Escape
    }
}

#[derive(Default)]
struct Found {
    keys: Vec<Key>,
    /// A sequence goes on after what is its end for the parser, and this sign of it is F1.
    f1: Option<char>,
}

impl Found {
    fn push(&mut self, key: Key) {
        self.keys.push(key);
    }
}

impl Perform for Found {
    fn print(&mut self, c: char) {
        if let Some(f1) = self.f1.take() {
            return self.push(if c == f1 { Key::F1 } else { Key::Other });
        }
        self.push(Key::Char(c));
    }

    fn execute(&mut self, byte: u8) {
        self.push(match byte {
            b'\r' | b'\n' => Key::Enter,
            b'\t' => Key::Tab,
            0x08 => Key::Backspace,
            0x01..=0x1a => Key::Control(char::from(byte - 1 + b'a')),
            _ => Key::Other,
        });
    }

    fn csi_dispatch(&mut self, params: &Params, _: &[u8], _: bool, action: char) {
        let number = params.iter().next().and_then(|p| p.first().copied()).unwrap_or_default();
        self.push(match (action, number) {
            // The Linux console's F1 to F5: ESC [ [ A.
            ('[', _) => {
                self.f1 = Some('A');
                return;
            }
            ('A', _) => Key::Up,
            ('B', _) => Key::Down,
            ('H', _) | ('~', 1 | 7) => Key::Home,
            ('F', _) | ('~', 4 | 8) => Key::End,
            ('Z', _) => Key::BackTab,
            ('~', 11) => Key::F1,
            ('~', 5) => Key::PageUp,
            ('~', 6) => Key::PageDown,
            _ => Key::Other,
        });
    }

    fn esc_dispatch(&mut self, _: &[u8], _: bool, byte: u8) {
        // ESC O A and the like: arrows and function keys of other terminals.
        if byte == b'O' {
            self.f1 = Some('P');
        } else {
            self.push(Key::Other);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(text: &str) -> Vec<Key> {
        Decoder::new().take(&mut text.as_bytes().to_vec())
    }

    #[test]
    fn keys_of_the_linux_console_and_of_xterm() {
        for (text, expected) in [
            ("aZ\u{e4}", vec![Key::Char('a'), Key::Char('Z'), Key::Char('\u{e4}')]),
            (
                "\r\n\t\x7f\x08",
                vec![Key::Enter, Key::Enter, Key::Tab, Key::Backspace, Key::Backspace],
            ),
            ("\x1b[A\x1b[B", vec![Key::Up, Key::Down]),
            ("\x1b[5~\x1b[6~", vec![Key::PageUp, Key::PageDown]),
            ("\x1b[1~\x1b[4~\x1b[H\x1b[F", vec![Key::Home, Key::End, Key::Home, Key::End]),
            ("\x1b[Z\x0c\x03", vec![Key::BackTab, Key::Control('l'), Key::Control('c')]),
            ("\x1b[[A\x1bOP\x1b[11~x", vec![Key::F1, Key::F1, Key::F1, Key::Char('x')]),
            ("\x1b[[B\x1bOQx", vec![Key::Other, Key::Other, Key::Char('x')]),
            ("\x1b[C\x1b[3~", vec![Key::Other, Key::Other]),
        ] {
            assert_eq!(keys(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_sequence_may_come_in_pieces() {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.take(&mut [0x1b]), []);
        assert!(decoder.is_undecided());
        assert_eq!(decoder.take(&mut [b'[']), []);
        assert!(!decoder.is_undecided());
        assert_eq!(decoder.take(&mut [b'A']), [Key::Up]);
        assert_eq!(decoder.take(&mut [0xc3]), []);
        assert_eq!(decoder.take(&mut [0xa4]), [Key::Char('\u{e4}')]);
    }

    #[test]
    fn escape_alone_is_a_key_and_the_next_one_is_as_it_is() {
        let mut decoder = Decoder::new();
        decoder.take(&mut [0x1b]);
        assert_eq!(decoder.escape(), Key::Escape);
        assert_eq!(decoder.take(&mut [b'[']), [Key::Char('[')]);
    }

    #[test]
    fn what_was_typed_is_wiped() {
        let mut bytes = *b"secret";
        Decoder::new().take(&mut bytes);
        assert_eq!(bytes, [0; 6]);
    }

    proptest! {
        #[test]
        fn nothing_that_arrives_can_end_the_screen(mut bytes: Vec<u8>) {
            let mut decoder = Decoder::new();
            decoder.take(&mut bytes);
            decoder.escape();
            prop_assert_eq!(decoder.take(&mut [b'q']), [Key::Char('q')]);
        }
    }
}
