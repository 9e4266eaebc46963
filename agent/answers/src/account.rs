//! Text → [`Username`], [`FullName`].

use crate::value::{Invalid, checked_text, quote};

checked_text! {
    /// The account's login name.
    ///
    /// The common ground of what has to take it: NixOS refuses more than 31 characters
    /// (users-groups.nix), shadow and systemd refuse most signs, and older tools capital letters.
    Username,
    pattern: "^[a-z_][a-z0-9_-]{0,30}$",
    check: check_username
}

checked_text! {
    /// The account's full name, the comment field of `passwd(5)`.
    ///
    /// Nix code that it is put into has to escape it: it may hold `${` and quotes.
    FullName,
    pattern: "^[^:\\x00-\\x1f\\x7f]{1,128}$",
    check: check_full_name
}

/// Characters in a login name, users-groups.nix.
const LONGEST_USERNAME: usize = 31;

/// Characters in a full name: enough for one, and a line of `passwd(5)` stays a line.
const LONGEST_FULL_NAME: usize = 128;

/// Accounts and groups that NixOS makes itself (ids.nix and the modules of a desktop). An ordinary
/// user of that name would be refused by the evaluation or, worse, merged with the service.
const RESERVED: [&str; 41] = [
    "adm",
    "audio",
    "avahi",
    "cdrom",
    "colord",
    "dialout",
    "disk",
    "docker",
    "flatpak",
    "floppy",
    "fwupd-refresh",
    "gdm",
    "geoclue",
    "input",
    "keys",
    "kmem",
    "kvm",
    "lightdm",
    "lp",
    "messagebus",
    "networkmanager",
    "nm-iodine",
    "nm-openvpn",
    "nobody",
    "nogroup",
    "nscd",
    "polkituser",
    "render",
    "root",
    "rtkit",
    "sddm",
    "sgx",
    "shadow",
    "sshd",
    "tape",
    "tss",
    "tty",
    "users",
    "utmp",
    "video",
    "wheel",
];

/// Prefixes of such names.
const RESERVED_PREFIXES: [&str; 2] = ["nixbld", "systemd-"];

fn check_username(text: &str) -> Result<(), Invalid> {
    let shown = quote(text);
    if text.is_empty() {
        return Err(Invalid::new("the login name is empty").hint("leave the key out instead"));
    }
    let odd = |c: &char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(*c));
    if let Some(odd) = text.chars().find(odd) {
        let error = Invalid::new(format!("{shown} is not a login name: it has {odd:?} in it"));
        return Err(error.hint("small letters a-z, digits, hyphens and underscores may be in it"));
    }
    if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return Err(Invalid::new(format!("{shown} is not a login name"))
            .hint("it begins with a small letter"));
    }
    if text.len() > LONGEST_USERNAME {
        let length = text.len();
        return Err(Invalid::new(format!(
            "{shown} is not a login name: it has {length} characters"
        ))
        .hint(format!("it may have {LONGEST_USERNAME}")));
    }
    let reserved =
        RESERVED.contains(&text) || RESERVED_PREFIXES.iter().any(|prefix| text.starts_with(prefix));
    if reserved {
        return Err(Invalid::new(format!("{shown} is an account or group of the system itself"))
            .hint("choose another name; root has no password, the account may use sudo"));
    }
    Ok(())
}

fn check_full_name(text: &str) -> Result<(), Invalid> {
    let shown = quote(text);
    if text.trim().is_empty() {
        return Err(Invalid::new("the full name is empty").hint("leave the key out instead"));
    }
    if let Some(odd) = text.chars().find(|c| c.is_control() || *c == ':') {
        return Err(Invalid::new(format!("{shown} cannot be a full name: it has {odd:?} in it"))
            .hint("passwd(5) holds it in one line, between colons"));
    }
    if text.chars().count() > LONGEST_FULL_NAME {
        return Err(Invalid::new(format!("{shown} is too long for a full name"))
            .hint(format!("it may have {LONGEST_FULL_NAME} characters")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_names_are_what_every_tool_takes() {
        let longest = "a".repeat(31);
        for good in ["a", "ada", "_x", "a-b_c9", longest.as_str()] {
            assert_eq!(good.parse::<Username>().unwrap().as_str(), good);
        }
        let long = "a".repeat(32);
        for bad in ["", "9a", "-a", "Ada", "a.b", "a b", "a:b", "a\n", "ä", "a$", long.as_str()] {
            assert!(bad.parse::<Username>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_of_the_system_are_refused() {
        for bad in ["root", "nobody", "wheel", "systemd-network", "nixbld1", "messagebus"] {
            let error = bad.parse::<Username>().unwrap_err();
            assert!(error.message.contains("of the system itself"), "{bad}: {error}");
        }
        assert!("rooty".parse::<Username>().is_ok());
    }

    #[test]
    fn full_names_fit_between_two_colons() {
        for good in ["Ada Lovelace", "Zoë \"Z\" ${x}", &"ß".repeat(128)] {
            assert_eq!(good.parse::<FullName>().unwrap().as_str(), good);
        }
        for bad in ["", "  ", "a:b", "a\nb", "a\u{1b}b", &"x".repeat(129)] {
            assert!(bad.parse::<FullName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn reserved_names_are_sorted_and_could_be_login_names() {
        assert!(RESERVED.is_sorted());
        let plain = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        assert!(RESERVED.iter().all(plain));
    }
}
