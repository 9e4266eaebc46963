//! A parsed table → [`Answers`], and everything that is wrong with it.
//!
//! The two ways to write answers, a document and the kernel's command line, end here.

use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::answers::{Answers, Countdown, choice};
use crate::disk::DiskRule;
use crate::value::{Invalid, quote};

/// A key and its value, each with its place.
type Value<'i> = Spanned<DeValue<'i>>;

/// What is wrong, and the byte where it begins.
pub(crate) struct Misplaced {
    pub(crate) offset: usize,
    pub(crate) what: Invalid,
}

/// How alike a mistyped key has to be to be asked about, 1 being the same.
const ALIKE: f64 = 0.8;

/// Says that `key` is none of `known`, and which of them may have been meant.
pub(crate) fn unknown(kind: &str, prefix: &str, key: &str, known: &[&str]) -> Invalid {
    let error = Invalid::new(format!("{} is not a {kind}", quote(&format!("{prefix}{key}"))));
    let written = key.to_ascii_lowercase().replace('_', "-");
    if ["password", "passwd", "root-password"].contains(&written.as_str()) {
        return error.hint("a password itself is never taken: give password-hash");
    }
    let closest = known
        .iter()
        .map(|name| (strsim::jaro_winkler(name, &written), name))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .filter(|(alike, _)| *alike >= ALIKE);
    match closest {
        Some((_, name)) => error.hint(format!("did you mean \"{prefix}{name}\"?")),
        None => error.hint(format!("there are {}", known.join(", "))),
    }
}

/// Reads the fields of one table, and goes on after a mistake.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) problems: Vec<Misplaced>,
    /// What the writer has to put before a key.
    pub(crate) prefix: &'static str,
}

impl Reader {
    /// All answers in `table`; where one is wrong, it is left out and noted.
    pub(crate) fn answers(&mut self, table: &DeTable<'_>) -> Answers {
        let mut answers = Answers::default();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "hostname" => answers.hostname = self.text("hostname", value),
                "username" => answers.username = self.text("username", value),
                "full-name" => answers.full_name = self.text("full-name", value),
                "password-hash" => answers.password_hash = self.text("password-hash", value),
                "ssh-authorized-keys" => answers.ssh_authorized_keys = self.keys(value),
                "disk" => answers.disk = self.disk(value),
                "erase" => answers.erase = self.choice("erase", value),
                "countdown" => answers.countdown = self.countdown(value),
                "finish" => answers.finish = self.choice("finish", value),
                "network" => answers.network = self.choice("network", value),
                other => {
                    let what = unknown("key", self.prefix, other, &Answers::KEYS);
                    self.note(key.span().start, what);
                }
            }
        }
        answers
    }

    fn note(&mut self, offset: usize, what: Invalid) {
        self.problems.push(Misplaced { offset, what });
    }

    /// The value or a note.
    fn take<T>(&mut self, value: &Value<'_>, result: Result<T, Invalid>) -> Option<T> {
        result.map_err(|what| self.note(value.span().start, what)).ok()
    }

    fn text<T: FromStr<Err = Invalid>>(&mut self, key: &str, value: &Value<'_>) -> Option<T> {
        let result = as_text(key, value).and_then(str::parse);
        self.take(value, result)
    }

    fn choice<T: FromStr + strum::VariantNames>(
        &mut self,
        key: &str,
        value: &Value<'_>,
    ) -> Option<T> {
        let result = as_text(key, value).and_then(choice);
        self.take(value, result)
    }

    fn countdown(&mut self, value: &Value<'_>) -> Option<Countdown> {
        let result = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| Invalid::new("this countdown is out of range"))
                .and_then(Countdown::from_seconds),
            // On the kernel's command line everything is text.
            DeValue::String(text) if !self.prefix.is_empty() => text.parse(),
            _ => Err(Invalid::new("countdown has to be a number of seconds")
                .hint("write it without quotes: countdown = 10")),
        };
        self.take(value, result)
    }

    fn keys<T: FromStr<Err = Invalid>>(&mut self, value: &Value<'_>) -> Option<Vec<T>> {
        let DeValue::Array(lines) = value.get_ref() else {
            let what = Invalid::new("ssh-authorized-keys has to be a list")
                .hint("write ssh-authorized-keys = [\"ssh-ed25519 AAAA… me\"]");
            self.note(value.span().start, what);
            return None;
        };
        let keys: Vec<T> = lines.iter().filter_map(|line| self.text("an SSH key", line)).collect();
        (keys.len() == lines.len()).then_some(keys)
    }

    fn disk(&mut self, value: &Value<'_>) -> Option<DiskRule> {
        let table = match value.get_ref() {
            DeValue::String(text) => return self.take(value, text.parse()),
            DeValue::Table(table) => table,
            _ => {
                let what = Invalid::new("disk has to be text in quotes, or a table")
                    .hint("write disk = \"smallest\", or serial = \"…\" below [disk]");
                self.note(value.span().start, what);
                return None;
            }
        };
        let before = self.problems.len();
        let mut rule = DiskRule::default();
        for (key, part) in table {
            let name = key.get_ref().as_ref();
            if !DiskRule::KEYS.contains(&name) {
                self.note(key.span().start, DiskRule::unknown(name));
                continue;
            }
            let result = as_text(name, part).and_then(|text| rule.set(name, text));
            self.take(part, result);
        }
        if self.problems.len() > before {
            return None;
        }
        let result = rule.check().map(|()| rule);
        self.take(value, result)
    }
}

/// The text of a value. The message says what it is instead, but never the value: it may be a
/// password.
fn as_text<'v>(key: &str, value: &'v Value<'_>) -> Result<&'v str, Invalid> {
    let kind = match value.get_ref() {
        // An unclosed quote may have swallowed the next lines, and with them a secret.
        DeValue::String(text) if text.contains('\n') => "several lines",
        DeValue::String(text) => return Ok(text),
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Err(Invalid::new(format!("{key} has to be text in quotes, not {kind}")))
}
