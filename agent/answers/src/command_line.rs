//! `/proc/cmdline` → [`SourceAnswers`]: `nixvm.KEY=VALUE`, with the kernel's own quoting, or GRUB's.

mod grub;

use crate::form::Parameter;
use crate::keys::{self, Answers, KEYS, Key};
use crate::problem::{Problem, Problems};
use crate::resolve::SourceAnswers;
use crate::source::Source;
use crate::value::{Invalid, quote};

/// What the parameters of nixvm begin with.
const PREFIX: &str = "nixvm.";

/// The switch that keeps the installer from starting. Its unit has a condition on each [`OFF`] word.
const SWITCH: &str = "installer";

/// The switch that keeps volumes of cloud-init's NoCloud from being read.
const NO_CLOUD: &str = "nocloud";

/// The switch that says how the installer is used.
const INTERFACE: &str = "ui";

/// Its words: a dialogue in plain lines on every console, or the screen where there is one.
const INTERFACES: [&str; 2] = ["plain", "screen"];

/// systemd's words for true, in small letters: the unit's condition compares them exactly, and a word
/// which only this parser took would be heard by the one and not by the other.
const ON: [&str; 6] = ["1", "yes", "y", "true", "t", "on"];

/// systemd's words for false.
const OFF: [&str; 6] = ["0", "no", "n", "false", "f", "off"];

/// Parses the kernel's command line. Parameters that do not begin with `nixvm.` are passed over.
///
/// A list is given by repeating its key. A value with parts, such as a disk rule, is given in its
/// short form, in parts (`nixvm.disk.serial=X`), or both. Three switches are not answers and are only
/// checked here: the installer's unit obeys `nixvm.installer`, [`reads_no_cloud`] `nixvm.nocloud` and
/// [`wants_dialogue`] `nixvm.ui`.
///
/// # Errors
/// All that is wrong. A secret is refused: every user may read the command line, and the kernel
/// writes it to its log.
///
/// ```
/// use nixvm_answers::command_line::parse;
///
/// let given = parse("ro nixvm.full_name=\"Ada Lovelace\" nixvm.disk=smallest nixvm.disk.min-size=20G")?;
/// assert_eq!(given.answers.full_name.unwrap().as_str(), "Ada Lovelace");
/// assert_eq!(given.answers.disk.unwrap().to_string(), "min-size=20G,pick=smallest");
/// assert!(parse("nixvm.password-hash=$6$…").is_err());
/// # Ok::<(), nixvm_answers::Problems>(())
/// ```
pub fn parse(text: &str) -> Result<SourceAnswers, Problems> {
    let mut wrong = Vec::new();
    let mut given: Vec<(&Key, Parameter<'_>)> = Vec::new();
    let loader = Loader::of(text);
    let grub = match loader {
        Loader::Grub => grub::words(text).unwrap_or_default(),
        Loader::Other | Loader::Unclear => Vec::new(),
    };
    let by_grub = grub.iter().map(|word| split(word));
    let by_kernel = words(text).filter(|_| loader != Loader::Grub);
    for (parameter, value) in by_grub.chain(by_kernel) {
        let Some(name) = parameter.strip_prefix(PREFIX) else { continue };
        let doubtful = |value: &str| match loader {
            Loader::Grub => value.matches('"').count() % 2 == 1,
            Loader::Unclear => value.contains('\\'),
            Loader::Other => false,
        };
        if value.is_some_and(doubtful) {
            wrong.push(
                Invalid::new(format!(
                    "the value of {} has a stray quote or backslash",
                    quote(parameter)
                ))
                .hint("write the whole of it in 'single quotes' in GRUB's editor"),
            );
            continue;
        }
        // The kernel takes one for the other in the names of parameters.
        let name = name.replace('_', "-");
        match (name.as_str(), value) {
            (SWITCH | NO_CLOUD, value) => wrong.extend(switch(&name, value).err()),
            (INTERFACE, value) => wrong.extend(interface(value).err()),
            (_, None) => wrong.push(
                Invalid::new(format!("{} has no value", quote(parameter)))
                    .hint("write =VALUE after it"),
            ),
            ("version", Some(value)) => wrong.extend(keys::check_version(value.parse().ok()).err()),
            (name, Some(value)) => match answer(name, value) {
                Ok(one) => given.push(one),
                Err(what) => wrong.push(what),
            },
        }
    }
    let mut answers = Answers::default();
    for key in KEYS {
        let (mine, others) = given.into_iter().partition(|(other, _)| *other == key);
        given = others;
        let mine: Vec<_> = mine.into_iter().map(|(_, parameter)| parameter).collect();
        if !mine.is_empty() {
            wrong.extend(answers.read_parameters(key.name, &mine).err().into_iter().flatten());
        }
    }
    let source = Source::CommandLine;
    let problems = wrong.into_iter().map(|what| Problem::value(source.clone(), None, what));
    Problems::none_or(problems.collect(), SourceAnswers { source, answers, ignored: Vec::new() })
}

/// The key of a parameter called `name`, and the rest.
fn answer<'i>(name: &str, value: &'i str) -> Result<(&'static Key, Parameter<'i>), Invalid> {
    let (key, part) = match name.split_once('.') {
        Some((head, part)) => (keys::find(head).filter(|key| !key.parts.is_empty()), Some(part)),
        None => (keys::find(name), None),
    };
    let Some(key) = key else { return Err(keys::refuse(PREFIX, name)) };
    if key.secret {
        return Err(Invalid::new(format!(
            "every user could read {PREFIX}{name}, and it would be in the kernel's log"
        ))
        .hint("give it on a volume labelled NIXVM, by fw_cfg, or in the ISO"));
    }
    Ok((key, Parameter { part: part.map(str::to_owned), value }))
}

/// Whether volumes of cloud-init's NoCloud are to be read: unless `nixvm.nocloud=no` is on the
/// kernel's command line, in any of systemd's words. The last one counts.
pub fn reads_no_cloud(text: &str) -> bool {
    let said = words(text).filter_map(|(parameter, value)| {
        let name = parameter.strip_prefix(PREFIX)?.replace('_', "-");
        if name == NO_CLOUD { switch(&name, value).ok() } else { None }
    });
    said.last().unwrap_or(true)
}

/// Whether the installer is to be used in plain lines: `nixvm.ui=plain` on the kernel's command line.
/// The last one counts.
pub fn wants_dialogue(text: &str) -> bool {
    let said = words(text).filter_map(|(parameter, value)| {
        let name = parameter.strip_prefix(PREFIX)?;
        if name == INTERFACE { interface(value).ok() } else { None }
    });
    said.last() == Some(INTERFACES[0])
}

/// Which of [`INTERFACES`] is meant.
fn interface(value: Option<&str>) -> Result<&'static str, Invalid> {
    let value = value.unwrap_or_default();
    INTERFACES.into_iter().find(|known| *known == value).ok_or_else(|| {
        Invalid::new(format!("{} is no value of {PREFIX}{INTERFACE}", quote(value)))
            .hint(format!("write one of {}", INTERFACES.join(", ")))
    })
}

/// What a switch is set to. As in systemd, the word alone means yes.
fn switch(name: &str, value: Option<&str>) -> Result<bool, Invalid> {
    match value.unwrap_or("yes") {
        value if ON.contains(&value) => Ok(true),
        value if OFF.contains(&value) => Ok(false),
        value => {
            Err(Invalid::new(format!("{} is neither yes nor no for {PREFIX}{name}", quote(value)))
                .hint(format!("write one of {}, or one of {}", ON.join(", "), OFF.join(", "))))
        }
    }
}

/// What handed over the command line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loader {
    /// GRUB, which escapes and quotes in its own way: [`grub`].
    Grub,
    /// One that hands over what was typed: systemd-boot, QEMU's `-append`, isolinux.
    Other,
    /// One that names itself as GRUB does, with text that GRUB would not write.
    Unclear,
}

impl Loader {
    /// GRUB and isolinux put `BOOT_IMAGE=` before the parameters, others do not.
    fn of(text: &str) -> Self {
        let named = text.split_ascii_whitespace().any(|word| word.starts_with("BOOT_IMAGE="));
        match (named, grub::words(text)) {
            (false, _) => Self::Other,
            (true, Some(_)) => Self::Grub,
            (true, None) => Self::Unclear,
        }
    }
}

/// Splits a command line into parameters and values.
///
/// As `next_arg()` of the kernel's lib/cmdline.c: blanks separate unless between double quotes;
/// quotes around a value, or around the whole parameter, are not part of it; there is no escape.
fn words<'t>(text: &'t str) -> impl Iterator<Item = (&'t str, Option<&'t str>)> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        c.is_ascii_whitespace() && !quoted
    })
    .filter(|word| !word.is_empty())
    .map(|word: &'t str| {
        let unquoted = match word.strip_prefix('"') {
            Some(word) => word.strip_suffix('"').unwrap_or(word),
            None => word,
        };
        let (parameter, value) = split(unquoted);
        let unquoted = |value: &'t str| match value.strip_prefix('"') {
            Some(value) => value.strip_suffix('"').unwrap_or(value),
            None => value,
        };
        (parameter, value.map(unquoted))
    })
}

/// A parameter and its value.
fn split(word: &str) -> (&str, Option<&str>) {
    word.split_once('=').map_or((word, None), |(parameter, value)| (parameter, Some(value)))
}

#[cfg(test)]
mod tests;
