//! Bytes of a TOML document → [`SourceAnswers`], or every mistake in it with line and column.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::form::{Misplaced, Toml};
use crate::keys::{self, Answers};
use crate::problem::{Position, Problem, Problems};
use crate::resolve::SourceAnswers;
use crate::source::Source;
use crate::value::Invalid;

/// Bytes of answers that are read; more is not an answers file.
pub const LONGEST: usize = 64 * 1024;

/// Parses and checks answers in TOML.
///
/// # Errors
/// All that is wrong, in the order of the text. Nothing of a document with an error is to be used.
///
/// ```
/// use nixvm_answers::{Source, document};
///
/// let source = Source::File { path: "answers.toml".into() };
/// let problems = document::parse(b"hostnme = 'web'\nerase = 'all'\n", source).unwrap_err();
/// assert_eq!(
///     problems.to_string(),
///     "answers.toml:1:1: \"hostnme\" is not a key\n    \
///      did you mean \"hostname\"?\n\
///      answers.toml:2:9: \"all\" is not one of the choices\n    \
///      write one of \"blank\", \"confirm\", \"any\""
/// );
/// ```
pub fn parse(bytes: &[u8], source: Source) -> Result<SourceAnswers, Problems> {
    let text = match decode(bytes) {
        Ok(text) => text,
        Err((offset, what)) => {
            let position = offset
                .map(|offset| Position::of(&String::from_utf8_lossy(&bytes[..offset]), usize::MAX));
            return Err(Problem::value(source, position, what).into());
        }
    };
    // A quote that is not closed then always has a line's end in it, which tells that it may have
    // swallowed a secret: see `form::as_text`.
    let ended = format!("{text}\n");
    let (table, errors) = DeTable::parse_recoverable(&ended);
    let (answers, wrong) = read_table(table.get_ref());
    let mistakes = errors.iter().map(|error| misspelt(text, error)).collect();
    let problems = combine(text, mistakes, wrong)
        .into_iter()
        .map(|(position, what)| Problem::value(source.clone(), Some(position), what))
        .collect();
    Problems::none_or(problems, SourceAnswers { source, answers, ignored: Vec::new() })
}

/// All answers in a table, and all mistakes; a key with a mistake is left out.
fn read_table(table: &DeTable<'_>) -> (Answers, Vec<Misplaced>) {
    let mut answers = Answers::default();
    let mut wrong = Vec::new();
    if let Some((key, value)) = table.get_key_value("version")
        && let Err(what) = keys::check_version(integer(value))
    {
        // What the other keys mean in that version is not known here.
        return (answers, vec![Misplaced { offset: key.span().start, what }]);
    }
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "version" => {}
            name if keys::find(name).is_some() => {
                wrong.extend(answers.read(name, value).err().into_iter().flatten())
            }
            name => {
                wrong.push(Misplaced { offset: key.span().start, what: keys::refuse("", name) })
            }
        }
    }
    (answers, wrong)
}

fn integer(value: &Toml<'_>) -> Option<u32> {
    match value.get_ref() {
        DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    }
}

/// Reads answers from a file; `-` is standard input.
///
/// # Errors
/// It can't be read, or as [`parse`].
pub fn read(path: &Path) -> Result<SourceAnswers, Problems> {
    read_with_text(path).map(|(given, _)| given)
}

/// Reads answers from a file, and the text that they were read from. `-` is standard input.
///
/// The file is read once: it may be a pipe, such as another program's output.
///
/// # Errors
/// As [`read`].
pub fn read_with_text(path: &Path) -> Result<(SourceAnswers, String), Problems> {
    let source = Source::File { path: path.to_owned() };
    let bytes = match path.as_os_str() == "-" {
        true => read_limited(std::io::stdin().lock()),
        false => File::open(path).and_then(read_limited),
    };
    let bytes = bytes.map_err(|error| {
        Problem::whole(source.clone(), format!("cannot be read: {error}"), None)
    })?;
    let given = parse(&bytes, source)?;
    Ok((given, String::from_utf8_lossy(&bytes).into_owned()))
}

/// A file → what `nixvm-iso validate` and the agent's command of the same purpose print: the answers
/// in it without secrets.
///
/// # Errors
/// As [`read`]; [`Problems::report`] is what they print then.
pub fn check(path: &Path) -> Result<String, Problems> {
    read(path).map(|given| show(&given.answers))
}

/// Answers as an answers file, without the secrets in them.
pub fn show(answers: &Answers) -> String {
    let mut text = String::new();
    if *answers == Answers::default() {
        text.push_str("# no answers\n");
    }
    let (shown, secrets) = answers.without_secrets();
    for key in secrets {
        text.push_str(&format!("# {key} is given, and not shown\n"));
    }
    // Only a key that is no text, or a value that TOML does not have, could fail.
    text.push_str(&toml::to_string(&shown).unwrap_or_default());
    text
}

/// Reads one byte more than [`LONGEST`] at most: enough for [`parse`] to refuse it.
///
/// # Errors
/// The reader's own.
pub fn read_limited(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a file of at most [`LONGEST`] bytes.
///
/// # Errors
/// It is longer, or not text in UTF-8.
pub fn text(bytes: &[u8]) -> Result<&str, Invalid> {
    decode(bytes).map_err(|(_, what)| what)
}

/// The text of a document, or what it is instead and where that shows.
fn decode(bytes: &[u8]) -> Result<&str, (Option<usize>, Invalid)> {
    if bytes.len() > LONGEST {
        let error = Invalid::new(format!("it is larger than {} KiB", LONGEST / 1024));
        return Err((None, error.hint("this is another kind of file")));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let error = Invalid::new("it is in UTF-16");
        return Err((None, error.hint("save it again as UTF-8")));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let what = Invalid::new("it is not text in UTF-8").hint("save it again as UTF-8");
        (Some(error.valid_up_to()), what)
    })
}

/// A mistake in TOML's own grammar, in words. The parser's messages quote nothing of the text.
fn misspelt(text: &str, error: &toml::de::Error) -> Misplaced {
    let mut message = error.message();
    let hint = if message.contains("must be quoted") {
        message = "text has to be in quotes";
        Some("put the value between \"double quotes\"")
    } else if message.contains("key with no value") {
        Some("write KEY = \"VALUE\"")
    } else if message.contains("duplicate key") {
        Some("each key may be given once")
    } else if message.contains("unexpected key or value") {
        Some("begin a new line for the next key")
    } else {
        None
    };
    let message = format!("this is not TOML: {message}");
    Misplaced {
        offset: error.span().map_or(text.len(), |span| span.start),
        what: Invalid { message, hint: hint.map(str::to_owned) },
    }
}

/// Both kinds of mistakes in the order of the text, without those that only follow from another:
/// on one line with a mistake of grammar, or after one that swallows what follows.
fn combine(
    text: &str,
    grammar: Vec<Misplaced>,
    values: Vec<Misplaced>,
) -> Vec<(Position, Invalid)> {
    let place = |Misplaced { offset, what }| (Position::of(text, offset), what);
    let swallows = |(_, what): &&(Position, Invalid)| {
        ["unclosed", "multi-line", "key with no value"].iter().any(|w| what.message.contains(w))
    };
    let mut all: Vec<_> = grammar.into_iter().map(place).collect();
    all.sort_by_key(|(position, _)| *position);
    all.dedup_by_key(|(position, _)| position.line);
    let last = all.iter().find(swallows).map_or(usize::MAX, |(position, _)| position.line);
    let lines: Vec<usize> = all.iter().map(|(position, _)| position.line).collect();
    let stands = |(position, _): &(Position, Invalid)| {
        position.line < last && !lines.contains(&position.line)
    };
    all.extend(values.into_iter().map(place).filter(stands));
    all.sort_by_key(|(position, _)| *position);
    all
}
