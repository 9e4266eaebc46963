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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::answers::{Erase, Network};
    use crate::disk::Pick;

    fn answers(text: &str) -> Answers {
        parse(text).unwrap_or_else(|problems| panic!("{text}: {problems}")).answers
    }

    fn error(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn quoting_is_the_kernels() {
        let split = |text| words(text).collect::<Vec<_>>();
        assert_eq!(
            split("ro a=1  b=\"x y\" \"c=p q\" d=e=f \"g\" h=\"\" \n"),
            [
                ("ro", None),
                ("a", Some("1")),
                ("b", Some("x y")),
                ("c", Some("p q")),
                ("d", Some("e=f")),
                ("g", None),
                ("h", Some("")),
            ]
        );
        assert_eq!(split("a=x\"y z\"w"), [("a", Some("x\"y z\"w"))]);
        assert_eq!(split("a=\"never closed b=1"), [("a", Some("never closed b=1"))]);
    }

    #[test]
    fn what_grub_escaped_is_read_as_it_was_typed() {
        let given = answers(include_str!("../fixtures/command-line/grub.txt"));
        assert_eq!(given.full_name.unwrap().as_str(), "Ada O'Brien");
        let key = &given.ssh_authorized_keys.unwrap()[0];
        assert!(key.as_str().starts_with("from=\"10.0.0.0/8\" ssh-ed25519 AAAA"), "{key}");

        let name = |text: &str| answers(text).full_name.unwrap().to_string();
        assert_eq!(name(r#"BOOT_IMAGE=/k "nixvm.full-name=A \"B\" C""#), r#"A "B" C"#);
        assert_eq!(name(r"BOOT_IMAGE=/k nixvm.full-name=A\\B"), r"A\B");
        // isolinux names the image too, and hands over what was typed.
        assert_eq!(name(r#"BOOT_IMAGE=/k nixvm.full-name="Ada O'Brien""#), "Ada O'Brien");
        // Without the image's name it is a loader that escapes nothing.
        assert_eq!(name(r#"initrd=\x nixvm.full-name="A\B""#), r"A\B");
    }

    #[test]
    fn a_value_that_a_loader_may_have_torn_or_escaped_is_refused() {
        for text in [
            // Typed in GRUB as \"Ada L\": GRUB makes two parameters of it.
            r#"BOOT_IMAGE=/k nixvm.full-name=\"Ada L\""#,
            r#"BOOT_IMAGE=/k nixvm.full-name="Ada O\'Brien""#,
        ] {
            assert!(error(text).contains("stray quote or backslash"), "{text}");
        }
        let error = error(r#"BOOT_IMAGE=/k "nixvm.password-hash=\"$6$secret\"""#);
        assert!(error.contains("in the kernel's log") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn answers_among_other_parameters() {
        let key = include_str!("../fixtures/ed25519.pub").trim_end();
        let text = format!(
            "initrd=\\x BOOT_IMAGE=/k ro quiet nixvm.installer=off nixvm.hostname=web \
             nixvm.full_name=\"Ada Lovelace\" nixvm.erase=any nixvm.countdown=3 \
             nixvm.disk=smallest nixvm.disk.min-size=20G \
             nixvm.ssh-authorized-keys=\"{key}\" nixvm.ssh-authorized-keys=\"{key}\" xnixvm.y=1\n"
        );
        let answers = answers(&text);
        assert_eq!(answers.hostname.unwrap().as_str(), "web");
        assert_eq!(answers.full_name.unwrap().as_str(), "Ada Lovelace");
        assert_eq!(answers.erase, Some(Erase::Any));
        assert_eq!(answers.countdown.unwrap().seconds(), 3);
        assert_eq!(answers.ssh_authorized_keys.unwrap().len(), 2);
        let disk = answers.disk.unwrap();
        assert_eq!((disk.pick, disk.min_size.unwrap().bytes()), (Some(Pick::Smallest), 20 << 30));
        assert_eq!(super::parse("ro quiet").unwrap().answers, Answers::default());
    }

    #[test]
    fn mistakes_are_named_all_at_once() {
        let all = error("nixvm.hostnme=x nixvm.erase=maybe nixvm.countdown nixvm.disk= nixvm.=1");
        assert_eq!(all.matches("kernel command line: ").count(), 5, "{all}");
        assert!(all.contains("did you mean \"nixvm.hostname\"?"), "{all}");
        assert!(all.contains("\"nixvm.countdown\" has no value"), "{all}");
        assert!(error("nixvm.hostname=a nixvm.hostname=b").contains("given twice"));
        assert!(error("nixvm.disk=smallest nixvm.disk.pick=largest").contains("given twice"));
        assert!(error("nixvm.disk.serail=x").contains("did you mean \"serial\"?"));
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_repeated() {
        for text in ["nixvm.\u{1b}[2J", "nixvm.\u{1b}=1 nixvm.\u{1b}=1", "nixvm.erase=\u{1b}c"] {
            assert!(!error(text).contains('\u{1b}'), "{text:?}");
        }
    }

    #[test]
    fn a_password_hash_does_not_belong_here() {
        let error = error("nixvm.password-hash=$6$secret");
        assert!(error.contains("in the kernel's log") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn the_installers_switch_takes_the_booleans_of_systemd_and_nothing_else() {
        for word in ["1", "yes", "y", "true", "t", "on", "0", "no", "n", "false", "f", "off"] {
            assert_eq!(answers(&format!("nixvm.installer={word}")), Answers::default());
        }
        assert_eq!(answers("nixvm.installer"), Answers::default());
        for word in ["", "never", "2", "OFF", "Yes"] {
            let error = error(&format!("nixvm.installer={word}"));
            assert!(error.contains("write one of 1, yes"), "{error}");
        }
        assert!(error("nixvm.agent=off").contains("\"nixvm.agent\" is not a key"));
    }

    #[test]
    fn the_interface_is_the_screen_unless_plain_lines_are_asked_for() {
        for text in ["ro", "nixvm.ui=screen", "nixvm.ui=plain nixvm.ui=screen", "ui=plain"] {
            assert!(!wants_dialogue(text), "{text}");
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in
            ["ro nixvm.ui=plain quiet", "\"nixvm.ui=plain\"", "nixvm.ui=screen nixvm.ui=plain"]
        {
            assert!(wants_dialogue(text), "{text}");
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in ["nixvm.ui", "nixvm.ui=", "nixvm.ui=text"] {
            assert!(!wants_dialogue(text), "{text}");
            let problems = parse(text).unwrap_err().to_string();
            assert!(problems.contains("write one of plain, screen"), "{problems}");
        }
    }

    #[test]
    fn no_cloud_is_read_unless_it_is_turned_off() {
        for text in ["ro", "nixvm.nocloud", "nixvm.nocloud=yes", "nixvm.nocloud=no nixvm.nocloud=1"]
        {
            assert!(reads_no_cloud(text), "{text}");
            assert_eq!(answers(text), Answers::default());
        }
        for text in ["nixvm.nocloud=no", "ro nixvm.nocloud=0 quiet", "\"nixvm.nocloud=off\""] {
            assert!(!reads_no_cloud(text), "{text}");
            assert_eq!(answers(text), Answers::default());
        }
        assert!(error("nixvm.nocloud=never").contains("neither yes nor no for nixvm.nocloud"));
    }

    #[test]
    fn the_network_has_a_short_form_and_a_table() {
        for text in ["nixvm.network=none", "nixvm.network.policy=none"] {
            assert_eq!(answers(text).network.unwrap().policy(), Network::None);
        }
        assert!(error("nixvm.network=none nixvm.network.policy=none").contains("given twice"));
        assert!(error("nixvm.network.polciy=none").contains("did you mean \"policy\"?"));
        assert!(error("nixvm.hostname.x=1").contains("\"nixvm.hostname.x\" is not a key"));
    }

    #[test]
    fn a_server_is_named_by_its_url_and_its_certificate() {
        let url = "https://a.example/nixvm?rack=3";
        let pin = "AB".repeat(32);
        let given = answers(&format!("nixvm.answers.url={url} nixvm.answers.fingerprint={pin}"));
        let server = given.server.unwrap();
        assert_eq!(server.url.unwrap().as_str(), url);
        assert_eq!(server.fingerprint.unwrap().0, [0xab; 32]);
        assert!(error(&format!("nixvm.answers.fingerprint={pin}")).contains("has no url"));
        assert!(error("nixvm.answers.url=http://a").contains("by HTTPS and by nothing else"));
        assert!(error("nixvm.answers.token=x").contains("is not a setting of a server"));
    }

    #[test]
    fn another_version_is_refused() {
        assert_eq!(answers("nixvm.version=1"), Answers::default());
        assert!(error("nixvm.version=2").contains("reads version 1"));
    }

    proptest! {
        #[test]
        fn quoted_values_arrive_whole(value in "[^\"\\x00]*") {
            let line = format!("a nixvm.full-name=\"{value}\" b");
            let found = words(&line).find(|(name, _)| *name == "nixvm.full-name");
            prop_assert_eq!(found, Some(("nixvm.full-name", Some(value.as_str()))));
        }
    }
}
