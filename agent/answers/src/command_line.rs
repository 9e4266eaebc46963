//! `/proc/cmdline` → [`SourceAnswers`] answers: `nixvm.KEY=VALUE`, with the kernel's own quoting.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::disk::DiskRule;
use crate::fields::Reader;
use crate::problem::{Problem, Problems};
use crate::resolve::SourceAnswers;
use crate::source::Source;
use crate::value::{Invalid, quote};

/// What our parameters begin with.
const PREFIX: &str = "nixvm.";

/// The parameter that is not an answer: `nixvm.agent=off` keeps the unit from starting.
const SWITCH: &str = "agent";

/// Parses the kernel's command line. Parameters that do not begin with `nixvm.` are passed over.
///
/// A list is given by repeating its key. A disk rule is given in its short form, in parts
/// (`nixvm.disk.serial=X`), or both.
///
/// # Errors
/// All that is wrong. A password hash is refused here: everybody may read the command line, and
/// the kernel writes it to its log.
pub fn parse(text: &str) -> Result<SourceAnswers, Problems> {
    let mut wrong = Vec::new();
    let mut table = DeTable::new();
    let mut disk: Option<DiskRule> = None;
    for (parameter, value) in words(text) {
        let Some(key) = parameter.strip_prefix(PREFIX) else { continue };
        // The kernel takes one for the other in the names of parameters.
        let key = key.replace('_', "-");
        let result = match (key.as_str(), value) {
            (SWITCH, _) => Ok(()),
            (_, None) => Err(Invalid::new(format!("{} has no value", quote(parameter)))
                .hint("write =VALUE after it")),
            ("disk", Some(value)) => disk.get_or_insert_default().add(value),
            ("password-hash", _) => Err(Invalid::new(format!(
                "{PREFIX}{key} would be for everybody to read, and in the kernel's log"
            ))
            .hint("give it on a volume labelled NIXVM, by fw_cfg, or in the ISO")),
            (key, Some(value)) => match key.strip_prefix("disk.") {
                Some(part) => disk.get_or_insert_default().set(part, value),
                None => insert(&mut table, key, value),
            },
        };
        wrong.extend(result.err());
    }
    wrong.extend(disk.as_ref().and_then(|rule| rule.check().err()));
    let mut reader = Reader { prefix: PREFIX, ..Reader::default() };
    let mut answers = reader.answers(&table);
    answers.disk = disk;
    wrong.extend(reader.problems.into_iter().map(|problem| problem.what));
    let source = Source::CommandLine;
    let problems = wrong.into_iter().map(|what| Problem::value(source.clone(), None, what));
    Problems::none_or(problems.collect(), SourceAnswers { source, answers })
}

/// Puts a value into the table that a document of the same meaning would have.
fn insert<'i>(table: &mut DeTable<'i>, key: &str, value: &'i str) -> Result<(), Invalid> {
    let spanned = |value| Spanned::new(0..0, value);
    let value = spanned(DeValue::String(Cow::Borrowed(value)));
    let list = key == "ssh-authorized-keys";
    match table.get_mut(key).map(Spanned::get_mut) {
        Some(DeValue::Array(values)) => values.push(value),
        Some(_) => {
            return Err(Invalid::new(format!(
                "{} is given twice",
                quote(&format!("{PREFIX}{key}"))
            )));
        }
        None => {
            let value = match list {
                true => {
                    let mut values = DeArray::new();
                    values.push(value);
                    spanned(DeValue::Array(values))
                }
                false => value,
            };
            table.insert(Spanned::new(0..0, Cow::Owned(key.to_owned())), value);
        }
    }
    Ok(())
}

/// Splits a command line into parameters and values.
///
/// As `next_arg()` of the kernel's lib/cmdline.c: blanks separate unless between double quotes;
/// quotes around a value, or around the whole parameter, are not part of it; there is no escape.
fn words(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        c.is_ascii_whitespace() && !quoted
    })
    .filter(|word| !word.is_empty())
    .map(|word| {
        let unquoted = match word.strip_prefix('"') {
            Some(word) => word.strip_suffix('"').unwrap_or(word),
            None => word,
        };
        match unquoted.split_once('=') {
            Some((parameter, value)) => {
                let value = match value.strip_prefix('"') {
                    Some(value) => value.strip_suffix('"').unwrap_or(value),
                    None => value,
                };
                (parameter, Some(value))
            }
            None => (unquoted, None),
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::answers::{Answers, Erase};
    use crate::disk::Pick;

    fn answers(text: &str) -> Answers {
        parse(text).unwrap_or_else(|problems| panic!("{text}: {problems}")).answers
    }

    fn error(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn quoting_is_the_kernels() {
        let split = |text| words(text).collect::<Vec<_>>();
        assert_eq!(
            split("ro a=1  b=\"x y\" \"c=p q\" d=e=f \"g\" h=\"\" \n"),
            [
                ("ro", None),
                ("a", Some("1")),
                ("b", Some("x y")),
                ("c", Some("p q")),
                ("d", Some("e=f")),
                ("g", None),
                ("h", Some("")),
            ]
        );
        assert_eq!(split("a=x\"y z\"w"), [("a", Some("x\"y z\"w"))]);
        assert_eq!(split("a=\"never closed b=1"), [("a", Some("never closed b=1"))]);
    }

    #[test]
    fn answers_among_other_parameters() {
        let key = include_str!("../fixtures/ed25519.pub").trim_end();
        let text = format!(
            "initrd=\\x BOOT_IMAGE=/k ro quiet nixvm.agent=off nixvm.hostname=web \
             nixvm.full_name=\"Ada Lovelace\" nixvm.erase=any nixvm.countdown=3 \
             nixvm.disk=smallest nixvm.disk.min-size=20G \
             nixvm.ssh-authorized-keys=\"{key}\" nixvm.ssh-authorized-keys=\"{key}\" xnixvm.y=1\n"
        );
        let answers = answers(&text);
        assert_eq!(answers.hostname.unwrap().as_str(), "web");
        assert_eq!(answers.full_name.unwrap().as_str(), "Ada Lovelace");
        assert_eq!(answers.erase, Some(Erase::Any));
        assert_eq!(answers.countdown.unwrap().seconds(), 3);
        assert_eq!(answers.ssh_authorized_keys.unwrap().len(), 2);
        let disk = answers.disk.unwrap();
        assert_eq!((disk.pick, disk.min_size.unwrap().bytes()), (Some(Pick::Smallest), 20 << 30));
        assert_eq!(super::parse("ro quiet").unwrap().answers, Answers::default());
    }

    #[test]
    fn mistakes_are_named_all_at_once() {
        let all = error("nixvm.hostnme=x nixvm.erase=maybe nixvm.countdown nixvm.disk= nixvm.=1");
        assert_eq!(all.matches("kernel command line: ").count(), 5, "{all}");
        assert!(all.contains("did you mean \"nixvm.hostname\"?"), "{all}");
        assert!(all.contains("\"nixvm.countdown\" has no value"), "{all}");
        assert!(error("nixvm.hostname=a nixvm.hostname=b").contains("given twice"));
        assert!(error("nixvm.disk=smallest nixvm.disk.pick=largest").contains("given twice"));
        assert!(error("nixvm.disk.serail=x").contains("did you mean \"serial\"?"));
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_repeated() {
        for text in ["nixvm.\u{1b}[2J", "nixvm.\u{1b}=1 nixvm.\u{1b}=1", "nixvm.erase=\u{1b}c"] {
            assert!(!error(text).contains('\u{1b}'), "{text:?}");
        }
    }

    #[test]
    fn a_password_hash_does_not_belong_here() {
        let error = error("nixvm.password-hash=$6$secret");
        assert!(error.contains("in the kernel's log") && !error.contains("secret"), "{error}");
    }

    proptest! {
        #[test]
        fn quoted_values_arrive_whole(value in "[^\"\\x00]*") {
            let line = format!("a nixvm.full-name=\"{value}\" b");
            let found = words(&line).find(|(name, _)| *name == "nixvm.full-name");
            prop_assert_eq!(found, Some(("nixvm.full-name", Some(value.as_str()))));
        }
    }
}
