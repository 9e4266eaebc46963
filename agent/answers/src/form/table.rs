//! A table or a short form → a value with named parts: [`Table`].

use std::fmt::Display;
use std::str::FromStr;

use toml::de::DeValue;

use super::{Form, Misplaced, Parameter, Toml, Written, all, as_text, unknown};
use crate::disk::DiskRule;
use crate::network::NetworkSettings;
use crate::server::Server;
use crate::value::Invalid;

/// A value with named parts, which has a short form in text as well.
///
/// On the kernel's command line both may be given together: `nixvm.disk=smallest` and
/// `nixvm.disk.min-size=20G` are one rule.
pub(crate) trait Table: Default + PartialEq + Display + FromStr<Err = Invalid> {
    /// The names of the parts.
    const PARTS: &'static [&'static str];
    /// What the short form may be, for the help of a command line.
    const CHOICES: &'static [&'static str];
    /// An example of each form, for a value that is neither.
    const REMEDY: &'static str;
    /// What a part is called in a message.
    const PART: &'static str;

    /// Sets a part.
    fn set(&mut self, part: &str, text: &str) -> Result<(), Invalid>;

    /// Sets a part from its value in a document.
    fn set_from_toml(&mut self, part: &str, value: &Toml<'_>) -> Result<(), Vec<Misplaced>> {
        set_text(self, part, value)
    }

    /// Sets the parts of a short form.
    fn add(&mut self, text: &str) -> Result<(), Invalid>;

    /// Checks the parts against each other, and that there is one.
    fn check(&self) -> Result<(), Invalid>;

    /// The parts that are set, as text.
    fn parts(&self) -> Vec<(&'static str, String)>;

    /// Refuses a part which does not exist.
    fn unknown(part: &str) -> Invalid {
        unknown(Self::PART, "", part, Self::PARTS)
    }
}

/// A type that implements [`Table`].
macro_rules! table_form {
    ($($name:ty),+ $(,)?) => {
        $(impl Form for $name {
            const CHOICES: &'static [&'static str] = <$name as Table>::CHOICES;
            const PARTS: &'static [&'static str] = <$name as Table>::PARTS;

            fn from_text(text: &str) -> Result<Self, Invalid> {
                text.parse()
            }

            fn from_toml(key: &str, value: &Toml<'_>) -> Result<Self, Vec<Misplaced>> {
                table_from_toml(key, value)
            }

            fn from_parameters(parameters: &[Parameter<'_>]) -> Result<Self, Vec<Invalid>> {
                table_from_parameters(parameters)
            }

            fn shown(&self) -> Option<String> {
                Some(self.to_string())
            }

            /// The short form, unless a value with a comma in it would be read as two.
            fn written(&self) -> Written {
                let short = self.to_string();
                match short.parse::<Self>() {
                    Ok(same) if same == *self => Written::Text(short),
                    _ => Written::Table(self.parts()),
                }
            }
        })+
    };
}
table_form!(DiskRule, NetworkSettings, Server);

/// Sets a part from its value in a document, which is text.
pub(crate) fn set_text<T: Table>(
    table: &mut T,
    part: &str,
    value: &Toml<'_>,
) -> Result<(), Vec<Misplaced>> {
    as_text(part, value)
        .and_then(|text| table.set(part, text))
        .map_err(|what| vec![Misplaced::at(value, what)])
}

/// The value of `key` in a document: a table, or the short form.
pub(crate) fn table_from_toml<T: Table>(key: &str, value: &Toml<'_>) -> Result<T, Vec<Misplaced>> {
    let at_value = |what| vec![Misplaced::at(value, what)];
    let parts = match value.get_ref() {
        DeValue::String(_) => {
            return as_text(key, value).and_then(str::parse).map_err(at_value);
        }
        DeValue::Table(parts) => parts,
        _ => {
            let what = Invalid::new(format!("{key} has to be text in quotes, or a table"));
            return Err(at_value(what.hint(T::REMEDY)));
        }
    };
    let mut mistakes = Vec::new();
    let mut table = T::default();
    for (name, part) in parts {
        let text = name.get_ref().as_ref();
        if !T::PARTS.contains(&text) {
            mistakes.push(Misplaced { offset: name.span().start, what: T::unknown(text) });
            continue;
        }
        mistakes.extend(table.set_from_toml(text, part).err().into_iter().flatten());
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    table.check().map(|()| table).map_err(at_value)
}

fn table_from_parameters<T: Table>(parameters: &[Parameter<'_>]) -> Result<T, Vec<Invalid>> {
    let mut table = T::default();
    let set = parameters.iter().map(|Parameter { part, value }| match part {
        Some(part) => table.set(part, value),
        None => table.add(value),
    });
    all(set)?;
    table.check().map(|()| table).map_err(|what| vec![what])
}
