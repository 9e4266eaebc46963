//! Keymaps, locales and time zones against what this system has, and mistyped ones.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use nixvm_answers::Invalid;
use nixvm_answers::keymap::Keymap;
use nixvm_answers::locale::Locale;
use nixvm_answers::timezone::Timezone;

/// Says on the terminal, past the test harness, that a test did not run.
fn skip(test: &str, why: &str) {
    let line = format!("\nSKIPPED {test}: {why}\n");
    // Closed standard error: the notice has no reader, and the test still passes.
    let _closed = std::io::stderr().write_all(line.as_bytes());
}

fn refused<T: FromStr<Err = Invalid>>(names: impl IntoIterator<Item = String>) -> Vec<String> {
    names.into_iter().filter(|name| name.parse::<T>().is_err()).collect()
}

#[test]
fn every_zone_of_this_systems_tzdata_is_accepted() {
    let path = "/usr/share/zoneinfo/tzdata.zi";
    let Ok(text) = fs::read_to_string(path) else {
        return skip("zones of tzdata", &format!("there is no {path}"));
    };
    let zones: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            match (words.next()?, words.next()?, words.next()) {
                ("Z", name, _) => Some(name.to_owned()),
                ("L", _, Some(name)) => Some(name.to_owned()),
                _ => None,
            }
        })
        .collect();
    assert!(zones.len() > 400, "{path} has {} zones", zones.len());
    assert_eq!(refused::<Timezone>(zones), [""; 0]);
}

#[test]
fn every_locale_in_utf_8_of_this_systems_glibc_is_accepted() {
    let path = "/usr/share/i18n/SUPPORTED";
    let Ok(text) = fs::read_to_string(path) else {
        return skip("locales of glibc", &format!("there is no {path}"));
    };
    let locales: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_suffix(" UTF-8"))
        .map(|name| {
            let name = name.replace(".UTF-8", "");
            match name.split_once('@') {
                Some((name, modifier)) => format!("{name}.UTF-8@{modifier}"),
                None => format!("{name}.UTF-8"),
            }
        })
        // Debian's own, and one that glibc 2.37 dropped.
        .filter(|name| !["eu_FR.UTF-8", "aa_ER.UTF-8@saaho"].contains(&name.as_str()))
        .collect();
    assert!(locales.len() > 250, "{path} has {} locales", locales.len());
    assert_eq!(refused::<Locale>(locales), [""; 0]);
}

#[test]
fn every_keymap_of_this_systems_kbd_is_accepted() {
    // NixOS, and the distributions that install kbd's own. Debian's are of another source.
    let folders = ["/etc/kbd/keymaps", "/usr/share/kbd/keymaps", "/usr/lib/kbd/keymaps"];
    let Some(folder) = folders.into_iter().map(Path::new).find(|folder| folder.is_dir()) else {
        return skip("keymaps of kbd", "kbd's keymaps are not installed");
    };
    let mut keymaps = Vec::new();
    keymaps_below(folder, &mut keymaps);
    assert!(keymaps.len() > 200, "{} has {} keymaps", folder.display(), keymaps.len());
    assert_eq!(refused::<Keymap>(keymaps), [""; 0]);
}

fn keymaps_below(folder: &Path, found: &mut Vec<String>) {
    for path in fs::read_dir(folder).expect("it is a folder").map(|e| e.expect("an entry").path()) {
        // Made of XKB's layouts by Fedora and openSUSE, not kbd's.
        if path.is_dir() && !path.ends_with("xkb") && !path.is_symlink() {
            keymaps_below(&path, found);
        }
        let plain = if path.extension().is_some_and(|e| e == "gz") {
            path.with_extension("")
        } else {
            path.clone()
        };
        if plain.extension().is_some_and(|extension| extension == "map") {
            found.push(nixos_name(&plain));
        }
    }
}

/// What NixOS's package calls a keymap whose upstream name is that of another one as well.
fn nixos_name(path: &Path) -> String {
    let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
    let renamed = [
        ("i386/qwertz/cz.map", "cz-qwertz"),
        ("i386/olpc/es.map", "es-olpc"),
        ("i386/olpc/pt.map", "pt-olpc"),
        ("i386/fgGIod/trf.map", "trf-fgGIod"),
        ("i386/colemak/en-latin9.map", "colemak"),
    ];
    let found = renamed.iter().find(|(end, _)| path.ends_with(end));
    found.map_or(name, |(_, renamed)| (*renamed).to_owned())
}

/// Mistyped names, each with the one that is suggested for it.
fn misses<T: FromStr<Err = Invalid>>(table: &[(&str, &str)]) -> Vec<String> {
    table
        .iter()
        .filter_map(|(typed, meant)| {
            assert!(meant.parse::<T>().is_ok(), "{meant} is on no list");
            let hint = match typed.parse::<T>() {
                Ok(_) => "it is accepted".to_owned(),
                Err(invalid) => invalid.hint.unwrap_or_default(),
            };
            let expected = format!("did you mean \"{meant}\"?");
            (hint != expected).then(|| format!("{typed}: {hint}, not {meant}"))
        })
        .collect()
}

#[test]
fn a_hundred_near_misses_lead_to_what_is_meant() {
    let wrong =
        [misses::<Keymap>(KEYMAPS), misses::<Locale>(LOCALES), misses::<Timezone>(TIMEZONES)]
            .concat();
    assert_eq!(wrong, [""; 0]);
    assert!(KEYMAPS.len() + LOCALES.len() + TIMEZONES.len() >= 100);
}

#[test]
fn what_is_like_nothing_gets_an_example() {
    for (hint, example) in [
        ("qqqqqqqq".parse::<Keymap>().unwrap_err().hint, "\"uk\""),
        ("klingon-speaker".parse::<Locale>().unwrap_err().hint, "\"de_DE.UTF-8\""),
        ("xxxxxxxxxxxxxxx".parse::<Timezone>().unwrap_err().hint, "\"Europe/Berlin\""),
    ] {
        let hint = hint.unwrap();
        assert!(hint.contains(example) && !hint.contains("did you mean"), "{hint}");
    }
    for empty in ["".parse::<Keymap>().unwrap_err(), "".parse::<Locale>().unwrap_err()] {
        assert_eq!(empty.hint.as_deref(), Some("leave the key out instead"));
    }
}

const KEYMAPS: &[(&str, &str)] = &[
    ("DE", "de"),
    ("German", "de"),
    ("at", "de"),
    ("qwertz", "de"),
    ("de-latin", "de-latin1"),
    ("de_latin1", "de-latin1"),
    ("de-latn1", "de-latin1"),
    ("de-latin1-nodeadkey", "de-latin1-nodeadkeys"),
    ("de-latin1_nodeadkeys", "de-latin1-nodeadkeys"),
    ("de-nodeadkeys", "de-latin1-nodeadkeys"),
    ("de_CH", "de_CH-latin1"),
    ("de-ch-latin1", "de_CH-latin1"),
    ("ch", "de_CH-latin1"),
    ("fr_CH-latin", "fr_CH-latin1"),
    ("fr-ch", "fr_CH"),
    ("FR", "fr"),
    ("French", "fr"),
    ("fr-latin-9", "fr-latin9"),
    ("bepo", "fr-bepo"),
    ("fr_bepo", "fr-bepo"),
    ("be", "be-latin1"),
    ("gb", "uk"),
    ("en_GB", "uk"),
    ("en_US", "us"),
    ("qwerty", "us"),
    ("us-accents", "us-acentos"),
    ("us-intl", "us-acentos"),
    ("dvorac", "dvorak"),
    ("Dvorak", "dvorak"),
    ("dvorak-programer", "dvorak-programmer"),
    ("dvp", "dvorak-programmer"),
    ("colmak", "colemak"),
    ("collemak", "colemak"),
    ("se", "sv-latin1"),
    ("sv-latin", "sv-latin1"),
    ("jp", "jp106"),
    ("br", "br-abnt2"),
    ("br-abtn2", "br-abnt2"),
    ("latam", "la-latin1"),
    ("cz-qwerty", "cz-qwertz"),
    ("sk", "sk-qwertz"),
    ("tr", "trq"),
    ("us.map.gz", "us"),
];

const LOCALES: &[(&str, &str)] = &[
    ("de", "de_DE.UTF-8"),
    ("de_DE", "de_DE.UTF-8"),
    ("de-DE", "de_DE.UTF-8"),
    ("de_DE.utf8", "de_DE.UTF-8"),
    ("de_DE.UTF8", "de_DE.UTF-8"),
    ("de_de.UTF-8", "de_DE.UTF-8"),
    ("de_DE@euro", "de_DE.UTF-8"),
    ("de_DE.ISO-8859-1", "de_DE.UTF-8"),
    ("DE_DE.UTF-8", "de_DE.UTF-8"),
    ("de-DE-UTF-8", "de_DE.UTF-8"),
    ("de_CH", "de_CH.UTF-8"),
    ("en", "en_US.UTF-8"),
    ("en_US", "en_US.UTF-8"),
    ("en-us", "en_US.UTF-8"),
    ("en_us.utf-8", "en_US.UTF-8"),
    ("en_GB.utf8", "en_GB.UTF-8"),
    ("en_IN", "en_IN.UTF-8"),
    ("fr", "fr_FR.UTF-8"),
    ("fr_FR", "fr_FR.UTF-8"),
    ("fr_fr.utf-8", "fr_FR.UTF-8"),
    ("pt_BR.utf8", "pt_BR.UTF-8"),
    ("pt", "pt_PT.UTF-8"),
    ("zh", "zh_CN.UTF-8"),
    ("zh-TW", "zh_TW.UTF-8"),
    ("ja", "ja_JP.UTF-8"),
    ("ko", "ko_KR.UTF-8"),
    ("sv", "sv_SE.UTF-8"),
    ("da_DK", "da_DK.UTF-8"),
    ("C", "C.UTF-8"),
    ("C.utf8", "C.UTF-8"),
    ("sr_RS@latin", "sr_RS.UTF-8@latin"),
    ("sr_RS@latin.UTF-8", "sr_RS.UTF-8@latin"),
    ("uk", "uk_UA.UTF-8"),
];

const TIMEZONES: &[(&str, &str)] = &[
    ("Berlin", "Europe/Berlin"),
    ("berlin", "Europe/Berlin"),
    ("europe/berlin", "Europe/Berlin"),
    ("Europe/Berln", "Europe/Berlin"),
    ("Europe/Belrin", "Europe/Berlin"),
    ("Europa/Berlin", "Europe/Berlin"),
    ("Germany/Berlin", "Europe/Berlin"),
    ("Europe-Berlin", "Europe/Berlin"),
    ("Paris", "Europe/Paris"),
    ("Europe/paris", "Europe/Paris"),
    ("London", "Europe/London"),
    ("Europe/Lodnon", "Europe/London"),
    ("Zurich", "Europe/Zurich"),
    ("Europe/Zuerich", "Europe/Zurich"),
    ("New York", "America/New_York"),
    ("America/New York", "America/New_York"),
    ("America/NewYork", "America/New_York"),
    ("US/New_York", "America/New_York"),
    ("Los_Angeles", "America/Los_Angeles"),
    ("America/Los-Angeles", "America/Los_Angeles"),
    ("Buenos Aires", "America/Argentina/Buenos_Aires"),
    ("America/Argentina/Buenos_Airs", "America/Argentina/Buenos_Aires"),
    ("Sao_Paulo", "America/Sao_Paulo"),
    ("America/SaoPaulo", "America/Sao_Paulo"),
    ("Tokyo", "Asia/Tokyo"),
    ("Asia/Tokio", "Asia/Tokyo"),
    ("Asia/Shangai", "Asia/Shanghai"),
    ("kolkata", "Asia/Kolkata"),
    ("Asia/Kolkatta", "Asia/Kolkata"),
    ("Sydney", "Australia/Sydney"),
    ("Australia/Sidney", "Australia/Sydney"),
    ("Asia/Ho_Chi_Min", "Asia/Ho_Chi_Minh"),
    ("utc", "UTC"),
    ("GMT+00", "GMT+0"),
    ("/usr/share/zoneinfo/Europe/Rome", "Europe/Rome"),
    ("Kiev", "Europe/Kiev"),
];
