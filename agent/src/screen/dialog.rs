//! What is being asked or looked at: texts that are typed, and choices.

use nixvm_answers::account::Username;
use nixvm_answers::hostname::Hostname;
use zeroize::Zeroizing;

use super::input::Key;
use super::keyboard::KeymapList;

/// Bytes in a field: as many as the longest password has.
const LONGEST: usize = 512;

/// What is being asked or looked at.
pub(super) enum Dialog {
    /// Which disk.
    Choose(Choose),
    /// Whether what is on it may be erased.
    Erase(Erase),
    /// The host name or the account's name.
    Name(NameForm),
    /// The keymap.
    Keymap(KeymapList),
    /// The account's password, or the disk's passphrase.
    Password(PasswordForm),
    /// Whether the install is to be stopped.
    Stop,
    /// The log.
    Log(LogView),
    /// What happens, and how to do without this screen.
    Help,
    /// A shell has the terminal.
    Shell,
}

impl Dialog {
    /// Whether what was asked is answered, and the installer has not said anything of it yet.
    pub(super) fn is_on_its_way(&self) -> bool {
        match self {
            Self::Choose(choose) => choose.busy,
            Self::Name(form) => form.busy,
            Self::Keymap(list) => list.busy,
            // With a passphrase the install begins.
            Self::Password(form) => form.busy && form.of == SecretOf::Disk,
            _ => false,
        }
    }
}

/// Which disk.
#[derive(Default)]
pub(super) struct Choose {
    /// Position among those that can be used.
    pub(super) cursor: usize,
    /// The choice is on its way.
    pub(super) busy: bool,
}

/// Whether what is on a disk may be erased: its name has to be typed.
pub(super) struct Erase {
    /// Of the plan that is shown.
    pub(super) token: String,
    /// The disk's kernel name.
    pub(super) disk: String,
    pub(super) typed: Field,
    pub(super) problem: Option<String>,
}

/// Which name is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Host,
    User,
}

/// A new name.
pub(super) struct NameForm {
    pub(super) name: Name,
    /// What it is now.
    pub(super) present: String,
    pub(super) typed: Field,
    pub(super) problem: Option<String>,
    /// It is on its way.
    pub(super) busy: bool,
}

impl NameForm {
    pub(super) fn new(name: Name, present: &str) -> Self {
        let (present, typed) = (present.to_owned(), Field::with(present));
        Self { name, present, typed, problem: None, busy: false }
    }

    /// The answers that it makes, as TOML.
    pub(super) fn answers(&self) -> Result<String, String> {
        let text = self.typed.text();
        // Neither has a sign in it that TOML would have escaped.
        match self.name {
            Name::Host => text.parse::<Hostname>().map(|name| format!("hostname = \"{name}\"\n")),
            Name::User => text.parse::<Username>().map(|name| format!("username = \"{name}\"\n")),
        }
        .map_err(|invalid| invalid.to_string())
    }

    pub(super) fn refuse(&mut self, problem: String) {
        self.busy = false;
        self.problem = Some(problem);
    }
}

/// What a password is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SecretOf {
    /// The account: its password.
    #[default]
    Account,
    /// The encrypted disk: its passphrase.
    Disk,
}

/// A password, twice.
#[derive(Default)]
pub(super) struct PasswordForm {
    pub(super) of: SecretOf,
    pub(super) first: Field,
    pub(super) second: Field,
    /// The second one is being typed.
    pub(super) repeats: bool,
    /// It is shown as it is typed.
    pub(super) shown: bool,
    pub(super) problem: Option<String>,
    /// It is on its way.
    pub(super) busy: bool,
}

impl PasswordForm {
    pub(super) fn new(of: SecretOf) -> Self {
        Self { of, ..Self::default() }
    }

    pub(super) fn is_begun(&self) -> bool {
        !self.first.is_empty() || !self.second.is_empty()
    }

    pub(super) fn field(&mut self) -> &mut Field {
        if self.repeats { &mut self.second } else { &mut self.first }
    }

    /// Says what is wrong; it has to be typed anew.
    pub(super) fn refuse(&mut self, problem: String) {
        let (of, shown) = (self.of, self.shown);
        *self = Self { of, problem: Some(problem), shown, ..Self::default() };
    }
}

/// A look at the log.
#[derive(Default)]
pub(super) struct LogView {
    /// All of it, or its end if it is very long, in lines that fit the screen.
    pub(super) lines: Vec<String>,
    /// Lines below the last one that is seen.
    pub(super) from_end: usize,
}

impl LogView {
    /// Takes the log's lines, and breaks those that are wider than the screen: what matters of an
    /// error is often at its end.
    pub(super) fn fill(&mut self, lines: &[String], width: usize) {
        let broken = lines.iter().flat_map(|line| {
            let mut rest = line.as_str();
            let mut parts = Vec::new();
            loop {
                let indent = if parts.is_empty() { "" } else { "  " };
                let room = width.saturating_sub(indent.len()).max(1);
                let end = rest.char_indices().nth(room).map_or(rest.len(), |(at, _)| at);
                parts.push(format!("{indent}{}", &rest[..end]));
                rest = &rest[end..];
                if rest.is_empty() {
                    return parts;
                }
            }
        });
        self.lines = broken.collect();
    }

    /// Scrolls; `page` is how many lines are seen at once.
    pub(super) fn scroll(&mut self, key: Key, page: usize) {
        let most = self.lines.len().saturating_sub(page);
        let moved = match key {
            Key::Up => self.from_end + 1,
            Key::PageUp => self.from_end + page,
            Key::Home => most,
            Key::Down => self.from_end.saturating_sub(1),
            Key::PageDown | Key::Char(' ') => self.from_end.saturating_sub(page),
            Key::End => 0,
            _ => self.from_end,
        };
        self.from_end = moved.min(most);
    }
}

/// A line of text that is typed, wiped when it is dropped.
pub(super) struct Field(Zeroizing<String>);

impl Default for Field {
    fn default() -> Self {
        // With room for the longest: a text that has to move would leave a copy behind.
        Self(Zeroizing::new(String::with_capacity(LONGEST)))
    }
}

impl Field {
    fn with(text: &str) -> Self {
        let mut field = Self::default();
        field.set(text);
        field
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Characters in it.
    pub(super) fn len(&self) -> usize {
        self.0.chars().count()
    }

    /// Takes a text in place of what was typed, as much of it as there is room for.
    pub(super) fn set(&mut self, text: &str) {
        self.0.clear();
        for sign in text.chars() {
            self.key(Key::Char(sign));
        }
    }

    /// Types a key; says whether it was one for a text.
    pub(super) fn key(&mut self, key: Key) -> bool {
        match key {
            Key::Char(c) if self.0.len() + c.len_utf8() <= LONGEST => self.0.push(c),
            Key::Char(_) => {}
            Key::Backspace => {
                self.0.pop();
            }
            Key::Control('u') => self.0.clear(),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_never_moves_its_text() {
        let mut field = Field::default();
        let place = field.text().as_ptr();
        for _ in 0..LONGEST {
            field.key(Key::Char('\u{e4}'));
        }
        assert_eq!((field.len(), field.text().as_ptr()), (LONGEST / 2, place));
        field.set(&"a".repeat(LONGEST + 1));
        assert_eq!((field.len(), field.text().as_ptr()), (LONGEST, place));
        field.set("ab");
        assert_eq!(field.text(), "ab");
        field.key(Key::Backspace);
        assert_eq!(field.text(), "a");
        field.key(Key::Control('u'));
        assert!(field.is_empty() && !field.key(Key::Up));
    }

    #[test]
    fn names_become_answers_or_a_reason() {
        let answers = |name, text: &str| NameForm::new(name, text).answers();
        assert_eq!(answers(Name::Host, "web-1").unwrap(), "hostname = \"web-1\"\n");
        assert_eq!(answers(Name::User, "ada").unwrap(), "username = \"ada\"\n");
        assert!(answers(Name::User, "root").unwrap_err().contains("of the system itself"));
        assert!(answers(Name::Host, "a\"b").is_err());
    }

    #[test]
    fn long_lines_of_the_log_are_seen_to_their_end() {
        let mut view = LogView::default();
        view.fill(&["äbcdefgh".to_owned(), String::new(), "x".to_owned()], 4);
        assert_eq!(view.lines, ["äbcd", "  ef", "  gh", "", "x"]);
        view.fill(&["ab".to_owned()], 0);
        assert_eq!(view.lines, ["a", "  b"]);
    }

    #[test]
    fn the_log_scrolls_between_its_ends() {
        let mut view = LogView { lines: vec![String::new(); 30], from_end: 0 };
        for (key, expected) in [
            (Key::Down, 0),
            (Key::Up, 1),
            (Key::PageUp, 11),
            (Key::PageUp, 20),
            (Key::Home, 20),
            (Key::PageDown, 10),
            (Key::End, 0),
        ] {
            view.scroll(key, 10);
            assert_eq!(view.from_end, expected, "{key:?}");
        }
    }
}
