//! Text → [`Keymap`].

use crate::listed::{self, closest, similarity};
use crate::value::{Invalid, checked_text};

checked_text! {
    /// A keymap of the console, by the name that kbd has for it in NixOS: `console.keyMap`, and
    /// systemd's `KEYMAP=`.
    Keymap,
    pattern: "^[A-Za-z0-9_.+-]+$",
    check: check
}

impl Keymap {
    /// The keymap for a layout of XKB, with a variant or an empty text; none where it is not known.
    ///
    /// ```
    /// use nixvm_answers::keymap::Keymap;
    /// let keymap = Keymap::of_layout("gb", "").unwrap();
    /// assert_eq!(keymap.as_str(), "uk");
    /// assert!(Keymap::of_layout("de", "unheard-of").is_none());
    /// ```
    pub fn of_layout(layout: &str, variant: &str) -> Option<Self> {
        let name = match (layout, variant) {
            // Ethiopia and Laos; the keymap is of Estonia, the other name means Latin America elsewhere.
            ("et" | "la", _) => return None,
            // The keymap of this name is the variant `qwerty`.
            ("cz", "") => "cz-qwertz".to_owned(),
            ("cz", "qwerty") => "cz".to_owned(),
            (layout, "") => layout.to_owned(),
            (layout, variant) => format!("{layout}-{variant}"),
        };
        let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == name);
        elsewhere.map_or(&*name, |(_, keymap)| keymap).parse().ok()
    }
}

const LIST: &str = include_str!("../lists/keymaps.txt");

/// What other systems call a keymap, XKB's layouts above all, and what kbd does.
const ELSEWHERE: [(&str, &str); 36] = [
    ("at", "de"),
    ("be", "be-latin1"),
    ("bepo", "fr-bepo"),
    ("bg", "bg_bds-utf8"),
    ("br", "br-abnt2"),
    ("ch", "de_CH-latin1"),
    ("colemak-dh", "mod-dh-iso-us"),
    ("de-nodeadkeys", "de-latin1-nodeadkeys"),
    ("de_ch", "de_CH-latin1"),
    ("dvp", "dvorak-programmer"),
    ("ee", "et"),
    ("en_gb", "uk"),
    ("en_us", "us"),
    ("french", "fr"),
    ("gb", "uk"),
    ("german", "de"),
    ("hr", "croat"),
    ("is", "is-latin1"),
    ("italian", "it"),
    ("jp", "jp106"),
    ("kz", "kazakh"),
    ("la", "la-latin1"),
    ("latam", "la-latin1"),
    ("pt", "pt-latin1"),
    ("qwerty", "us"),
    ("qwertz", "de"),
    ("rs", "sr-cy"),
    ("se", "sv-latin1"),
    ("si", "slovene"),
    ("sk", "sk-qwertz"),
    ("spanish", "es"),
    ("sv", "sv-latin1"),
    ("swiss", "de_CH-latin1"),
    ("tr", "trq"),
    ("us-intl", "us-acentos"),
    ("usa", "us"),
];

/// All keymaps, sorted.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    listed::names(LIST)
}

fn check(text: &str) -> Result<(), Invalid> {
    if names().any(|name| name == text) {
        return Ok(());
    }
    let remedy = "`localectl list-keymaps` has the names, such as \"us\", \"uk\", \"de\", \"fr\"";
    Err(listed::refuse(text, "keymap", meant(text), remedy))
}

fn meant(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase().replace(' ', "-");
    let written = text.trim_end_matches(".gz").trim_end_matches(".map");
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == written || *other == text);
    elsewhere.map(|(_, name)| *name).or_else(|| {
        let fold = |name: &str| name.to_ascii_lowercase().replace('_', "-");
        let folded = fold(written);
        closest(names(), |name| similarity(&fold(name), &folded))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sound_and_has_the_names_that_nixos_gives() {
        listed::assert_sound(LIST, 250);
        for name in ["us", "de", "de-latin1-nodeadkeys", "fr", "colemak", "dvorak", "cz-qwertz"] {
            assert_eq!(name.parse::<Keymap>().unwrap().as_str(), name);
        }
        // Upstream's name for what NixOS calls colemak.
        assert!("en-latin9".parse::<Keymap>().is_err());
    }

    #[test]
    fn names_from_elsewhere_lead_to_keymaps() {
        assert!(ELSEWHERE.is_sorted());
        for (other, name) in ELSEWHERE {
            assert!(names().any(|known| known == name), "{name}");
            assert!(!names().any(|known| known == other), "{other}");
        }
    }
}
