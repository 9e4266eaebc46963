//! Command lines → the answers on them, and what is said of mistakes.

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
    let given = answers(include_str!("../../fixtures/command-line/grub.txt"));
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
    let key = include_str!("../../fixtures/ed25519.pub").trim_end();
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
    for text in ["ro nixvm.ui=plain quiet", "\"nixvm.ui=plain\"", "nixvm.ui=screen nixvm.ui=plain"]
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
    for text in ["ro", "nixvm.nocloud", "nixvm.nocloud=yes", "nixvm.nocloud=no nixvm.nocloud=1"] {
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
