//! Text → [`Locale`].

use crate::listed::{self, closest, similarity};
use crate::value::{Invalid, checked_text};

checked_text! {
    /// A locale of glibc in UTF-8, with its character set: `LANGUAGE_COUNTRY.UTF-8`.
    ///
    /// Without a character set, glibc's name means an older one for many languages: `de_DE` is
    /// ISO 8859-1.
    Locale,
    pattern: "^[A-Za-z_]+\\.UTF-8(@[a-z]+)?$",
    check: check
}

const LIST: &str = include_str!("../lists/locales.txt");

/// The country that is meant by a language which is spoken in several, where it isn't named alike.
const COUNTRIES: [(&str, &str); 14] = [
    ("ar", "EG"),
    ("ca", "ES"),
    ("cs", "CZ"),
    ("da", "DK"),
    ("el", "GR"),
    ("en", "US"),
    ("fa", "IR"),
    ("he", "IL"),
    ("ja", "JP"),
    ("ko", "KR"),
    ("sv", "SE"),
    ("uk", "UA"),
    ("vi", "VN"),
    ("zh", "CN"),
];

/// All locales, sorted.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    listed::names(LIST)
}

fn check(text: &str) -> Result<(), Invalid> {
    if names().any(|name| name == text) {
        return Ok(());
    }
    let remedy = "write language, country and character set, such as \"de_DE.UTF-8\"";
    Err(listed::refuse(text, "locale", meant(text), remedy))
}

fn meant(text: &str) -> Option<&'static str> {
    let text = bare(&text.replace('-', "_").to_ascii_lowercase());
    // The modifier may be of the older character set, as @euro is.
    let place = text.split('@').next().unwrap_or(&text);
    let of = |place: &str| names().find(|name| bare(&name.to_ascii_lowercase()) == place);
    if let Some(name) = of(&text).or_else(|| of(place)) {
        return Some(name);
    }
    let (language, rest) = text.split_once(['_', '@']).unwrap_or((&text, ""));
    if rest.is_empty() {
        let country = COUNTRIES.iter().find(|(known, _)| *known == language);
        let country = country.map_or(language, |(_, country)| country).to_ascii_lowercase();
        let main = format!("{language}_{country}");
        let any = || names().find(|name| name.split('_').next() == Some(language));
        if let Some(name) = of(&main).or_else(any) {
            return Some(name);
        }
    }
    closest(names(), |name| similarity(&bare(&name.to_ascii_lowercase()), &text))
}

/// A locale's name without its character set.
fn bare(name: &str) -> String {
    let (name, modifier) = name.split_once('@').unwrap_or((name, ""));
    let modifier = modifier.split('.').next().unwrap_or(modifier);
    let place = name.split('.').next().unwrap_or(name);
    // "de_de_utf_8" is "de-DE.UTF-8" with hyphens for all.
    let place = place.trim_end_matches("_utf_8").trim_end_matches("_utf8");
    if modifier.is_empty() { place.to_owned() } else { format!("{place}@{modifier}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sound_and_in_utf_8() {
        listed::assert_sound(LIST, 300);
        assert!(names().all(|name| name.contains(".UTF-8")));
        for name in ["en_US.UTF-8", "de_DE.UTF-8", "C.UTF-8", "sr_RS.UTF-8@latin", "eo.UTF-8"] {
            assert_eq!(name.parse::<Locale>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_character_set_has_to_be_named() {
        let error = "de_DE".parse::<Locale>().unwrap_err();
        assert_eq!(error.message, "\"de_DE\" is not a locale");
        assert_eq!(error.hint.unwrap(), "did you mean \"de_DE.UTF-8\"?");
    }

    #[test]
    fn countries_are_of_the_list() {
        assert!(COUNTRIES.is_sorted());
        for (language, country) in COUNTRIES {
            assert!(format!("{language}_{country}.UTF-8").parse::<Locale>().is_ok(), "{language}");
        }
    }
}
