//! An answers file and further answers → the answers file with both.

use anyhow::{Result, bail};
use nixvm_answers::{Answers, Written};
use toml_edit::{Array, DocumentMut, InlineTable, Value, value};

/// Sets in `text` what `answers` give and leaves the rest as it is, comments included. Each answer
/// replaces the whole value of its key.
///
/// # Errors
/// `text` is not TOML.
///
/// ```
/// use nixvm_answers::Answers;
/// use nixvm_iso::edit::apply;
///
/// let mut answers = Answers::default();
/// answers.set("hostname", "db")?;
/// answers.set("disk", "smallest")?;
/// let text = apply("hostname = 'web' # the first one\nerase = 'any'\n", &answers)?;
/// assert_eq!(text, "hostname = \"db\" # the first one\nerase = 'any'\ndisk = \"pick=smallest\"\n");
/// # Ok::<(), anyhow::Error>(())
/// ```
pub fn apply(text: &str, answers: &Answers) -> Result<String> {
    // A byte order mark would be in the middle of the area.
    let text = text.trim_start_matches('\u{feff}');
    if *answers == Answers::default() {
        return Ok(text.to_owned());
    }
    let Ok(mut document) = text.parse::<DocumentMut>() else {
        // The parser's own message shows the line, in which there may be a secret.
        bail!("the answers to begin with are not TOML");
    };
    for (key, written) in answers.written() {
        let decor = document.get(key).and_then(|item| item.as_value()).map(|v| v.decor().clone());
        let mut item: Value = match written {
            Written::Text(text) => text.into(),
            Written::Integer(number) => number.into(),
            Written::List(lines) => lines.into_iter().collect::<Array>().into(),
            Written::Table(parts) => parts.into_iter().collect::<InlineTable>().into(),
        };
        if let Some(decor) = decor {
            *item.decor_mut() = decor;
        }
        document[key] = value(item);
    }
    Ok(document.to_string())
}
