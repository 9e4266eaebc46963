//! A name that has to be on a list → whether it is there, or which name on the list is meant.
//!
//! The lists are files in `lists/`, one name a line; the head of each says where it is from.

use crate::value::{Invalid, quote};

/// How alike a mistyped name has to be for a suggestion, 1 being the same.
const ALIKE: f64 = 0.6;

/// The names in the text of a list.
pub(crate) fn names(list: &'static str) -> impl Iterator<Item = &'static str> + Clone {
    list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Refuses `text`, which is not a `kind`: with a name that may be meant, or what to write.
pub(crate) fn refuse(text: &str, kind: &str, meant: Option<&str>, remedy: &str) -> Invalid {
    if text.is_empty() {
        return Invalid::new(format!("the {kind} is empty")).hint("leave the key out instead");
    }
    let error = Invalid::new(format!("{} is not a {kind}", quote(text)));
    match meant {
        Some(name) => error.hint(format!("did you mean \"{name}\"?")),
        None => error.hint(remedy),
    }
}

/// The name that is most alike by `alike`, if one is alike enough.
///
/// `alike` is 1 for the same, and 0 for what has nothing in common. Of equals, the first.
pub(crate) fn closest(
    names: impl Iterator<Item = &'static str>,
    alike: impl Fn(&str) -> f64,
) -> Option<&'static str> {
    let mut best = (ALIKE, None);
    for name in names {
        let score = alike(name);
        if score > best.0 {
            best = (score, Some(name));
        }
    }
    best.1
}

/// How alike two words are: few mistakes count more than a common beginning, which decides between
/// equals.
pub(crate) fn similarity(a: &str, b: &str) -> f64 {
    0.9 * strsim::normalized_damerau_levenshtein(a, b) + 0.1 * strsim::jaro_winkler(a, b)
}

/// Checks a list: sorted, without repetition, and each name is one word.
#[cfg(test)]
pub(crate) fn assert_sound(list: &'static str, at_least: usize) {
    let all: Vec<_> = names(list).collect();
    assert!(all.len() >= at_least, "{}", all.len());
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "it is sorted");
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "_.@/+-".contains(c));
    assert_eq!(all.iter().find(|name| name.contains(odd)), None);
}
