//! A TOML value, or the parameters of a kernel's command line → the value of one key.
//!
//! Every type that a key of the table ([`crate::keys`]) may have implements [`Form`], which says how
//! it is written. Most are plain text; [`Table`] is for those that have parts and a short form.

mod table;

use toml::Spanned;
use toml::de::DeValue;

use crate::account::{FullName, Username};
use crate::answers::{Countdown, Erase, Finish};
use crate::hostname::Hostname;
use crate::keymap::Keymap;
use crate::locale::Locale;
use crate::password::PasswordHash;
use crate::proxy::Proxy;
use crate::ssh::AuthorizedKey;
use crate::timezone::Timezone;
use crate::value::{Invalid, quote};

pub(crate) use table::{Table, set_text, table_from_toml};

/// A value of a document, with its position.
pub(crate) type Toml<'i> = Spanned<DeValue<'i>>;

/// A mistake, and the byte at which it begins.
pub(crate) struct Misplaced {
    pub(crate) offset: usize,
    pub(crate) what: Invalid,
}

impl Misplaced {
    pub(crate) fn at(value: &Toml<'_>, what: Invalid) -> Self {
        Self { offset: value.span().start, what }
    }
}

/// `nixvm.KEY=VALUE`, or `nixvm.KEY.PART=VALUE`, of one key.
pub(crate) struct Parameter<'i> {
    pub(crate) part: Option<String>,
    pub(crate) value: &'i str,
}

/// A value as it is put into a document, secrets included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// A string.
    Text(String),
    /// A number.
    Integer(i64),
    /// A list of strings.
    List(Vec<String>),
    /// A table of strings, for a rule that the short form can't express.
    Table(Vec<(&'static str, String)>),
}

/// How the values of a type are written and shown.
pub(crate) trait Form: Sized {
    /// What may be written, for the help of a command line; empty if that is not a short list.
    const CHOICES: &'static [&'static str] = &[];
    /// The keys of its table; empty if it is not a table.
    const PARTS: &'static [&'static str] = &[];

    fn from_text(text: &str) -> Result<Self, Invalid>;

    /// The value of `key` in a document.
    fn from_toml(key: &str, value: &Toml<'_>) -> Result<Self, Vec<Misplaced>> {
        as_text(key, value)
            .and_then(Self::from_text)
            .map_err(|what| vec![Misplaced::at(value, what)])
    }

    /// The value from all parameters of its key, of which there is at least one.
    fn from_parameters(parameters: &[Parameter<'_>]) -> Result<Self, Vec<Invalid>> {
        match parameters {
            [one] => Self::from_text(one.value).map_err(|what| vec![what]),
            _ => Err(vec![Invalid::new("it is given twice")]),
        }
    }

    /// The value in words; none if there is nothing to show.
    fn shown(&self) -> Option<String>;

    fn written(&self) -> Written;
}

/// A type that is written as plain text.
macro_rules! text_form {
    ($($name:ty),+ $(,)?) => {
        $(impl Form for $name {
            fn from_text(text: &str) -> Result<Self, Invalid> {
                text.parse()
            }

            fn shown(&self) -> Option<String> {
                Some(self.to_string())
            }

            fn written(&self) -> Written {
                Written::Text(self.as_str().to_owned())
            }
        })+
    };
}
text_form!(Hostname, Username, FullName, Keymap, Locale, Timezone, Proxy);

/// A type that `choices!` has defined.
macro_rules! choice_form {
    ($($name:ty),+ $(,)?) => {
        $(impl Form for $name {
            const CHOICES: &'static [&'static str] = <$name as strum::VariantNames>::VARIANTS;

            fn from_text(text: &str) -> Result<Self, Invalid> {
                crate::answers::choice(text)
            }

            fn shown(&self) -> Option<String> {
                Some(self.to_string())
            }

            fn written(&self) -> Written {
                Written::Text(self.to_string())
            }
        })+
    };
}
choice_form!(Erase, Finish);

impl Form for PasswordHash {
    fn from_text(text: &str) -> Result<Self, Invalid> {
        text.parse()
    }

    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn written(&self) -> Written {
        Written::Text(self.reveal().to_owned())
    }
}

impl Form for Countdown {
    fn from_text(text: &str) -> Result<Self, Invalid> {
        text.parse()
    }

    fn from_toml(_: &str, value: &Toml<'_>) -> Result<Self, Vec<Misplaced>> {
        let result = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| Invalid::new("this countdown is out of range"))
                .and_then(Self::from_seconds),
            _ => Err(Invalid::new("countdown has to be a number of seconds")
                .hint("write it without quotes: countdown = 10")),
        };
        result.map_err(|what| vec![Misplaced::at(value, what)])
    }

    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn written(&self) -> Written {
        Written::Integer(self.seconds().into())
    }
}

/// On the kernel's command line, the key is repeated.
impl Form for Vec<AuthorizedKey> {
    fn from_text(text: &str) -> Result<Self, Invalid> {
        text.parse().map(|key| vec![key])
    }

    fn from_toml(_: &str, value: &Toml<'_>) -> Result<Self, Vec<Misplaced>> {
        let DeValue::Array(lines) = value.get_ref() else {
            let what = Invalid::new("ssh-authorized-keys has to be a list")
                .hint("write ssh-authorized-keys = [\"ssh-ed25519 AAAA… me\"]");
            return Err(vec![Misplaced::at(value, what)]);
        };
        all(lines.iter().map(|line| {
            as_text("an SSH key", line)
                .and_then(str::parse)
                .map_err(|what| Misplaced::at(line, what))
        }))
    }

    fn from_parameters(parameters: &[Parameter<'_>]) -> Result<Self, Vec<Invalid>> {
        all(parameters.iter().map(|one| one.value.parse()))
    }

    fn shown(&self) -> Option<String> {
        let keys: Vec<_> = self.iter().map(AuthorizedKey::summary).collect();
        Some(keys.join(", ")).filter(|keys| !keys.is_empty())
    }

    fn written(&self) -> Written {
        Written::List(self.iter().map(|key| key.as_str().to_owned()).collect())
    }
}

/// All values, or all mistakes.
pub(crate) fn all<T, E>(results: impl Iterator<Item = Result<T, E>>) -> Result<Vec<T>, Vec<E>> {
    let (mut values, mut mistakes) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(values) } else { Err(mistakes) }
}

/// The text of a value. The message says what it is instead, but never the value: it may be a
/// password.
pub(crate) fn as_text<'v>(key: &str, value: &'v Toml<'_>) -> Result<&'v str, Invalid> {
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

/// How alike a mistyped key has to be for a suggestion, 1 being the same.
const ALIKE: f64 = 0.8;

/// Refuses `key`, which is not among `known`, and suggests the one it is most alike.
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
