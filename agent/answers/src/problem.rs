//! [`Problems`]: everything that is wrong with the answers, each with its place and a remedy.

use std::fmt;

use serde::Serialize;

use crate::source::Source;
use crate::value::Invalid;

/// A place in a text, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

impl Position {
    /// The place of the byte at `offset` of `text`; past the end means the end.
    pub fn of(text: &str, offset: usize) -> Self {
        let mut position = Self { line: 1, column: 1 };
        for (start, c) in text.char_indices() {
            if start + c.len_utf8() > offset {
                break;
            }
            match c {
                '\n' => position = Self { line: position.line + 1, column: 1 },
                _ => position.column += 1,
            }
        }
        position
    }
}

/// One thing that is wrong. It never quotes a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Which of the sources has it.
    pub source: Source,
    /// Where in the source, if it has lines.
    pub position: Option<Position>,
    /// What is wrong with what.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem with a source as a whole.
    pub fn whole(source: Source, message: impl Into<String>, hint: Option<&str>) -> Self {
        Self { source, position: None, message: message.into(), hint: hint.map(str::to_owned) }
    }

    /// What is wrong with one value of a source.
    pub(crate) fn value(source: Source, position: Option<Position>, what: Invalid) -> Self {
        Self { source, position, message: what.message, hint: what.hint }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.source, self.position) {
            // The form that editors and terminals turn into a link.
            (Source::File { path }, Some(Position { line, column })) => {
                write!(f, "{}:{line}:{column}: ", path.display())?;
            }
            (source, Some(Position { line, column })) => {
                write!(f, "{source}, line {line}, column {column}: ")?;
            }
            (source, None) => write!(f, "{source}: ")?,
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n    {hint}"),
            None => Ok(()),
        }
    }
}

/// At least one problem: the answers must not be used at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The value if there is no problem.
    ///
    /// # Errors
    /// There is one.
    pub fn none_or<T>(problems: Vec<Problem>, value: T) -> Result<T, Self> {
        if problems.is_empty() { Ok(value) } else { Err(Self(problems)) }
    }

    /// All of them, below a line that says what they are.
    pub fn report(&self) -> String {
        format!("the answers cannot be used:\n{self}")
    }

    /// All of them, in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_offsets_may_be_anything() {
        let text = "a = 1\nfull-name = \"Zoë\" x";
        let at = |offset| Position::of(text, offset);
        assert_eq!(at(0), Position { line: 1, column: 1 });
        assert_eq!(at(6), Position { line: 2, column: 1 });
        assert_eq!(at(text.len() - 1), Position { line: 2, column: 19 });
        assert_eq!(at(text.find('ë').unwrap() + 1), Position { line: 2, column: 16 });
        assert_eq!(at(usize::MAX), Position { line: 2, column: 20 });
    }
}
