//! Letters of a keymap's name → the keymaps that have them, and the one that is chosen.

use nixvm_answers::keymap;
use nixvm_answers::password::Secret;

use super::dialog::{Dialog, Field};
use super::input::Key;
use super::model::{Action, Model};
use crate::control::request::Request;

/// Keymaps that Page Up and Page Down pass.
pub(super) const PAGE: usize = 8;

/// Which keymap.
#[derive(Default)]
pub(super) struct KeymapList {
    /// A part of the name.
    pub(super) typed: Field,
    /// Position among those that have it.
    cursor: usize,
    pub(super) problem: Option<String>,
    /// The choice is on its way.
    pub(super) busy: bool,
}

impl KeymapList {
    /// All keymaps, with the present one chosen.
    pub(super) fn new(present: &str) -> Self {
        let cursor = keymap::names().position(|name| name == present).unwrap_or_default();
        Self { cursor, ..Self::default() }
    }

    /// The keymaps that have what is typed in their names.
    pub(super) fn found(&self) -> Vec<&'static str> {
        find(self.typed.text())
    }

    /// Position of the chosen one.
    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    /// Types `text` in place of what was typed.
    pub(super) fn set(&mut self, text: &str) {
        self.typed.set(text);
        self.move_to(0);
    }

    fn move_to(&mut self, cursor: usize) {
        self.cursor = cursor.min(self.found().len().saturating_sub(1));
    }

    fn key(&mut self, key: Key) {
        let last = self.found().len().saturating_sub(1);
        match key {
            Key::Up => self.move_to(self.cursor.saturating_sub(1)),
            Key::Down => self.move_to(self.cursor + 1),
            Key::PageUp => self.move_to(self.cursor.saturating_sub(PAGE)),
            Key::PageDown => self.move_to(self.cursor + PAGE),
            Key::Home => self.move_to(0),
            Key::End => self.move_to(last),
            key if self.typed.key(key) => self.move_to(0),
            _ => return,
        }
        self.problem = None;
    }
}

/// The keymaps that have `text` in their names: first the one of this name, then those that begin
/// with it.
pub(super) fn find(text: &str) -> Vec<&'static str> {
    let text = text.trim().to_ascii_lowercase();
    let mut found: Vec<_> =
        keymap::names().filter(|name| name.to_ascii_lowercase().contains(&text)).collect();
    // The sort is stable: they stay in the order of their names.
    found.sort_by_key(|name| {
        let name = name.to_ascii_lowercase();
        (name != text, !name.starts_with(&text))
    });
    found
}

impl Model {
    /// The keymap that is typed with, as far as the plan says.
    pub(super) fn keymap(&self) -> &str {
        self.answer("keymap").map_or("us", |(keymap, _)| keymap)
    }

    /// Takes a key in while the list is open.
    pub(super) fn keymap_key(&mut self, key: Key) -> Option<Action> {
        let Some(Dialog::Keymap(list)) = &mut self.dialog else { return None };
        match key {
            Key::Escape | Key::Control('c') => self.close(),
            _ if list.busy => {}
            Key::Enter => match list.found().get(list.cursor) {
                // The names have no sign in them that TOML would have escaped.
                Some(name) => {
                    list.busy = true;
                    let toml = Secret::new(format!("keymap = \"{name}\"\n"));
                    return Some(Action::Ask(Request::Answers { toml, merge: true }));
                }
                None => list.problem = Some("No keymap has that in its name.".to_owned()),
            },
            key => list.key(key),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> KeymapList {
        let mut list = KeymapList::new("us");
        text.chars().for_each(|sign| list.key(Key::Char(sign)));
        list
    }

    #[test]
    fn a_part_of_the_name_finds_the_whole_name_first() {
        assert_eq!(typed("de").found()[..2], ["de", "de-latin1"]);
        assert_eq!(typed("NODEAD").found()[0], "de-latin1-nodeadkeys");
        assert!(typed("fr").found().contains(&"dvorak-ca-fr"));
        assert!(typed("zzz").found().is_empty());
        let list = KeymapList::new("us");
        assert_eq!(list.found()[list.cursor()], "us");
    }

    #[test]
    fn the_cursor_stays_in_the_list() {
        let mut list = typed("de");
        let last = list.found().len() - 1;
        for (key, expected) in [
            (Key::Up, 0),
            (Key::Down, 1),
            (Key::PageDown, 1 + PAGE),
            (Key::End, last),
            (Key::Down, last),
            (Key::Home, 0),
        ] {
            list.key(key);
            assert_eq!(list.cursor(), expected, "{key:?}");
        }
        // Another word begins at its first keymap.
        list.key(Key::End);
        list.key(Key::Char('-'));
        assert_eq!(list.cursor(), 0);
    }
}
