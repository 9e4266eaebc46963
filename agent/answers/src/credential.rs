//! A credential that systemd itself defines → the answer in it.
//!
//! Names and meanings are those of systemd.system-credentials(7). Credentials of root
//! (`ssh.authorized_keys.root`, `passwd.hashed-password.root`) are the live system's, which systemd
//! gives them to; the installed system has no login of root.

use crate::keys::Answers;
use crate::problem::{Problem, Problems};
use crate::resolve::SourceAnswers;
use crate::source::Source;
use crate::value::Invalid;

/// The static host name, which counts before the other.
const STATIC_HOSTNAME: &str = "firstboot.hostname";

/// The transient host name.
const HOSTNAME: &str = "system.hostname";

/// Credentials of an account, before its name.
const HASHED: &str = "passwd.hashed-password.";
const PLAIN: &str = "passwd.plaintext-password.";
const SHELL: &str = "passwd.shell.";

/// Keymap, language and time zone of the installed system.
const KEYMAP: &str = "firstboot.keymap";
const LOCALE: &str = "firstboot.locale";
const TIMEZONE: &str = "firstboot.timezone";

/// A language for messages alone has no key.
const IGNORED: &str = "firstboot.locale-messages";

/// The names that are read, of `names` → in the order in which they come.
///
/// ```
/// let names = ["firstboot.hostname", "system.hostname", "tmpfiles.extra"];
/// assert_eq!(nixvm_answers::credential::read_of(&names), ["firstboot.hostname"]);
/// ```
pub fn read_of<'n>(names: &[&'n str]) -> Vec<&'n str> {
    let mut read: Vec<_> = names.iter().copied().filter(|name| is_known(name)).collect();
    if read.contains(&STATIC_HOSTNAME) {
        read.retain(|name| *name != HOSTNAME);
    }
    read
}

fn is_known(name: &str) -> bool {
    [STATIC_HOSTNAME, HOSTNAME, KEYMAP, LOCALE, TIMEZONE, IGNORED].contains(&name)
        || account(name).is_some_and(|account| account != "root")
}

/// The account that a credential is for, if it is for one.
pub(crate) fn account(name: &str) -> Option<&str> {
    [HASHED, PLAIN, SHELL].into_iter().find_map(|start| name.strip_prefix(start))
}

/// Reads the credential `name`; none if it is not one that is read.
///
/// # Errors
/// It is refused, and the message does not repeat it.
pub fn parse(name: &str, bytes: &[u8]) -> Option<Result<SourceAnswers, Problems>> {
    if !is_known(name) {
        return None;
    }
    let source = Source::SystemCredential { name: name.to_owned() };
    Some(match read(name, bytes) {
        Ok(Some(answers)) => Ok(SourceAnswers { source, answers, ignored: Vec::new() }),
        Ok(None) => {
            let (answers, ignored) = (Answers::default(), vec!["all of it".to_owned()]);
            Ok(SourceAnswers { source, answers, ignored })
        }
        Err(what) => Err(Problem::value(source, None, what).into()),
    })
}

/// The answer, or none if there is no key for it.
fn read(name: &str, bytes: &[u8]) -> Result<Option<Answers>, Invalid> {
    let mut answers = Answers::default();
    if name == IGNORED || name.starts_with(SHELL) {
        return Ok(None);
    }
    if name.starts_with(PLAIN) {
        let account = account(name).unwrap_or_default();
        return Err(Invalid::new("it is a password in plain text, which is never taken").hint(
            format!("give what `mkpasswd -m yescrypt` prints as the credential {HASHED}{account}"),
        ));
    }
    let text = crate::document::text(bytes)?.trim_end();
    match name {
        KEYMAP => answers.keymap = Some(text.parse()?),
        LOCALE => answers.locale = Some(text.parse()?),
        TIMEZONE => answers.timezone = Some(text.parse()?),
        _ if name.starts_with(HASHED) => answers.password_hash = Some(text.parse()?),
        _ => {
            let label = text.split_once('.').map_or(text, |(label, _)| label);
            answers.hostname = Some(label.parse()?);
        }
    }
    Ok(Some(answers))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2b$05$brngTNzGAqoFji5Ue.9iferNHD0WvKD6q0dEPXARfwfNFIRVkev.q";

    fn read(name: &str, text: &str) -> SourceAnswers {
        parse(name, text.as_bytes()).unwrap().unwrap_or_else(|p| panic!("{name}: {p}"))
    }

    #[test]
    fn host_names_and_passwords_are_answers() {
        for name in ["firstboot.hostname", "system.hostname"] {
            let given = read(name, "web.example.org\n");
            assert_eq!(given.answers.hostname.unwrap().as_str(), "web");
            assert_eq!(given.source.to_string(), format!("system credential {name}"));
        }
        let given = read("passwd.hashed-password.ada", HASH);
        assert_eq!(given.answers.password_hash.unwrap().reveal(), HASH);
    }

    #[test]
    fn keymap_locale_and_time_zone_are_answers() {
        assert_eq!(read("firstboot.keymap", "de\n").answers.keymap.unwrap().as_str(), "de");
        let locale = read("firstboot.locale", "de_DE.UTF-8").answers.locale.unwrap();
        assert_eq!(locale.as_str(), "de_DE.UTF-8");
        let zone = read("firstboot.timezone", "Europe/Berlin").answers.timezone.unwrap();
        assert_eq!(zone.as_str(), "Europe/Berlin");
    }

    #[test]
    fn settings_without_a_key_are_ignored_and_roots_are_the_live_systems() {
        for name in ["firstboot.locale-messages", "passwd.shell.ada"] {
            let given = read(name, "x");
            assert_eq!((given.answers, given.ignored.len()), (Answers::default(), 1), "{name}");
        }
        for name in [
            "ssh.authorized_keys.root",
            "passwd.hashed-password.root",
            "passwd.plaintext-password.root",
            "nixvm.answers",
            "tmpfiles.extra",
        ] {
            assert!(parse(name, b"x").is_none(), "{name}");
            assert!(read_of(&[name]).is_empty(), "{name}");
        }
    }

    #[test]
    fn what_is_refused_is_not_repeated() {
        for (name, text) in [
            ("passwd.plaintext-password.ada", "hunter2"),
            ("passwd.hashed-password.ada", "hunter2"),
            ("firstboot.hostname", "web-?-\u{1b}"),
            ("system.hostname", ""),
            ("firstboot.timezone", "Europe/Atlantis"),
        ] {
            let error = parse(name, text.as_bytes()).unwrap().unwrap_err().to_string();
            assert!(error.starts_with(&format!("system credential {name}: ")), "{error}");
            assert!(!error.contains("hunter2") && !error.contains('\u{1b}'), "{error}");
        }
    }
}
