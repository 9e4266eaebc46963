//! What is taken of NoCloud's files, what is refused and what is listed.

use proptest::prelude::*;

use super::*;

const HASH: &str = "$y$j9T$LClMHtvsWc/ydt8RO/ana.$j7eBBA.ylNoKratIBy/uEF5lOQPHEN3oJmhOGbkLja5";
const OTHER_HASH: &str = "$2b$05$brngTNzGAqoFji5Ue.9iferNHD0WvKD6q0dEPXARfwfNFIRVkev.q";
const KEY: &str = include_str!("../../fixtures/ed25519.pub");
const OTHER_KEY: &str = include_str!("../../fixtures/ecdsa.pub");

/// Cloud-config with its first line.
fn given(text: &str) -> Result<SourceAnswers, Problems> {
    user_data(format!("#cloud-config\n{text}").as_bytes(), "/dev/sr0")
}

fn answers(text: &str) -> Answers {
    given(text).unwrap_or_else(|problems| panic!("{text}: {problems}")).answers
}

fn ignored(text: &str) -> Vec<String> {
    given(text).unwrap_or_else(|problems| panic!("{text}: {problems}")).ignored
}

fn error(text: &str) -> String {
    given(text).unwrap_err().to_string()
}

fn name(answers: &Answers) -> Option<&str> {
    answers.username.as_ref().map(|name| name.as_str())
}

fn key_lines(answers: &Answers) -> Vec<&str> {
    answers.ssh_authorized_keys.iter().flatten().map(|key| key.as_str()).collect()
}

#[test]
fn the_documented_subset_is_taken() {
    let (key, other) = (KEY.trim_end(), OTHER_KEY.trim_end());
    let found = given(&format!(
        "hostname: web\nusers:\n  - default\n  - name: ada\n    gecos: Ada Lovelace,,,\n    \
         hashed_passwd: {HASH}\n    lock_passwd: false\n    ssh_authorized_keys:\n      - {key}\n\
         ssh_authorized_keys: [\"{other}\", \"{key}\"]\n"
    ))
    .unwrap();
    assert_eq!(found.source.to_string(), "user-data on /dev/sr0");
    assert_eq!(found.ignored, Vec::<String>::new());
    let answers = found.answers;
    assert_eq!(answers.hostname.as_ref().unwrap().as_str(), "web");
    assert_eq!(name(&answers), Some("ada"));
    assert_eq!(answers.full_name.as_ref().unwrap().as_str(), "Ada Lovelace");
    assert_eq!(answers.password_hash.as_ref().unwrap().reveal(), HASH);
    assert_eq!(key_lines(&answers), [key, other]);
}

#[test]
fn the_host_name_is_a_first_label_wherever_it_stands() {
    for (text, expected) in [
        ("hostname: web.example.org\nfqdn: other.example.org\n", "web"),
        ("fqdn: web.example.org\n", "web"),
        ("hostname: 3com\n", "3com"),
        ("hostname: 42\n", "42"),
    ] {
        assert_eq!(answers(text).hostname.unwrap().as_str(), expected, "{text}");
    }
    assert!(error("hostname: a_b\n").contains("line 2, column 11: \"a_b\" is not a host name"));
}

#[test]
fn the_account_is_the_first_of_a_person() {
    for (text, expected) in [
        ("users: [default, ada]\n", Some("ada")),
        ("users: [root, {name: messenger, system: true}, {name: ada}]\n", Some("ada")),
        ("users: [{name: ada}, {name: bob}]\n", Some("ada")),
        ("user: ada\n", Some("ada")),
        ("user: {name: ada}\n", Some("ada")),
        // As Proxmox writes it.
        ("user: ada\nusers:\n  - default\n", Some("ada")),
        ("user: ada\nusers: [{name: bob}]\n", Some("bob")),
        ("user: ada\nusers: [{name: bob}, default]\n", Some("bob")),
        ("users: [default]\n", None),
        ("users: []\n", None),
        ("users:\nuser: ~\n", None),
    ] {
        let text = text.replace("[root, ", "[{name: root}, ");
        assert_eq!(name(&answers(&text)), expected, "{text}");
    }
    assert_eq!(ignored("users: [{name: ada}, {name: bob}]\n"), ["users.bob"]);
    assert_eq!(ignored("user: ada\nusers: [{name: bob}]\n"), ["user"]);
    assert_eq!(ignored("users: [{name: root, lock_passwd: true}]\n"), ["users.root"]);
    assert!(error("users: [{gecos: x}]\n").contains("an entry of users has no name"));
    assert!(error("users: ada\n").contains("users has to be a list"));
    assert!(error("users: [{name: Ada}]\n").contains("is not a login name"));
}

#[test]
fn both_spellings_of_keys_are_taken() {
    let key = KEY.trim_end();
    let answers = answers(&format!(
        "users: [{{name: ada, ssh-authorized-keys: [{key}], hashed-passwd: {HASH}}}]\n"
    ));
    assert_eq!(key_lines(&answers), [key]);
    assert!(answers.password_hash.is_some());
    let top = self::answers(&format!("ssh-authorized-keys:\n  - {key}\n"));
    assert_eq!(key_lines(&top), [key]);
}

#[test]
fn a_password_is_taken_only_as_a_hash() {
    for text in [
        "password: hunter2\n",
        "user: ada\npassword: hunter2\nchpasswd: {expire: false}\n",
        "users: [{name: ada, plain_text_passwd: hunter2}]\n",
        "users: [{name: ada, plain-text-passwd: hunter2}]\n",
        "users: [{name: ada, passwd: hunter2}]\n",
        "users: [{name: ada, passwd: [hunter2]}]\n",
        "chpasswd:\n  list: |\n    ada:hunter2\n",
        "chpasswd: {list: ['ada:hunter2']}\n",
        "chpasswd: {users: [{name: ada, password: hunter2, type: text}]}\n",
        "chpasswd: {list: hunter2}\n",
        "password: $6$hunter2\n",
        "password: !hunter2 x\n",
        "password: 'hunter2\n",
    ] {
        let error = error(text);
        assert!(!error.contains("hunter2"), "{error}");
        assert!(error.starts_with("user-data on /dev/sr0, line "), "{error}");
    }
    let error = error("password: hunter2\n");
    assert!(error.contains("plain text") && error.contains("mkpasswd -m yescrypt"), "{error}");
    for text in [
        format!("user: ada\npassword: {HASH}\n"),
        format!("password: '{HASH}'\n"),
        format!("users: [{{name: ada, passwd: {OTHER_HASH}, hashed_passwd: {HASH}}}]\n"),
        format!("user: ada\nchpasswd: {{list: 'ada:{HASH}'}}\n"),
        format!("user: ada\nchpasswd: {{users: [{{name: ada, password: {HASH}}}]}}\n"),
    ] {
        assert_eq!(answers(&text).password_hash.unwrap().reveal(), HASH, "{text}");
    }
}

#[test]
fn passwords_of_other_accounts_are_listed() {
    let root = "chpasswd:\n  list: |\n    root:hunter2\n  expire: False\n";
    assert_eq!(ignored(root), ["chpasswd.root"]);
    assert_eq!(answers(root).password_hash, None);
    let other = format!("user: ada\nchpasswd: {{list: 'bob:{HASH}'}}\n");
    assert_eq!(ignored(&other), ["chpasswd.bob"]);
    let listed = format!("users: [{{name: ada}}]\npassword: {HASH}\n");
    assert_eq!(ignored(&listed), ["password"]);
    assert_eq!(ignored("users: [{name: ada, passwd: '!'}]\n"), ["passwd"]);
}

#[test]
fn what_has_no_counterpart_is_listed_and_nothing_of_it_reaches_the_disk() {
    let text = "erase: any\ncountdown: 0\ndisk: {pick: smallest}\nnixvm: {erase: any}\n\
                locale: false\nkeyboard: {layout: de, variant: neo, model: pc105}\n\
                runcmd:\n  - [reboot]\nusers: [{name: ada, sudo: true, lock_passwd: true}]\n";
    assert_eq!(
        ignored(text),
        [
            "erase",
            "countdown",
            "disk",
            "nixvm",
            "keyboard.model",
            "keyboard.layout",
            "runcmd",
            "users.sudo",
            "users.lock_passwd"
        ]
    );
    let expected = Answers { username: Some("ada".parse().unwrap()), ..Answers::default() };
    assert_eq!(answers(text), expected);
}

#[test]
fn language_keyboard_and_time_zone_are_answers() {
    let given = answers(
        "timezone: Europe/Berlin\nlocale: de_DE.utf8\n\
         keyboard: {layout: de, variant: nodeadkeys}\n",
    );
    assert_eq!(given.timezone.unwrap().as_str(), "Europe/Berlin");
    assert_eq!(given.locale.unwrap().as_str(), "de_DE.UTF-8");
    assert_eq!(given.keymap.unwrap().as_str(), "de-latin1-nodeadkeys");
    let wrong = user_data(b"#cloud-config\ntimezone: Europe/Berlln\n", "/dev/sr0").unwrap_err();
    assert!(wrong.to_string().contains("did you mean \"Europe/Berlin\"?"), "{wrong}");
}

#[test]
fn a_key_that_a_terminal_would_obey_is_listed_harmlessly() {
    assert_eq!(ignored("\"\\e[2J\": 1\n"), ["\\u{1b}[2J"]);
}

#[test]
fn forms_of_user_data() {
    let form = |text: &str| user_data(text.as_bytes(), "/dev/sr0");
    for text in ["", "\n \n", "#cloud-config", "\u{feff}#cloud-config\n# nothing\n"] {
        let found = form(text).unwrap();
        assert_eq!((found.answers, found.ignored), (Answers::default(), vec![]), "{text:?}");
    }
    assert!(form("\n#Cloud-Config\nhostname: web\n").unwrap().answers.hostname.is_some());
    for text in ["#!/bin/sh\nreboot\n", "#cloud-boothook\n", "#part-handler\n"] {
        assert_eq!(form(text).unwrap().ignored, ["all of it, a script"], "{text}");
    }
    for (text, reason) in [
        ("hostname: web\n", "first line is not #cloud-config"),
        ("# cloud-config\nhostname: web\n", "first line is not #cloud-config"),
        ("#cloud-config-archive\n- type: x\n", "an archive"),
        ("#cloud-config-jsonp\n[]\n", "a patch"),
        ("#include\nhttps://example.org\n", "addresses to fetch"),
        ("## template: jinja\n#cloud-config\n", "a template"),
        ("Content-Type: multipart/mixed; boundary=\"x\"\nMIME-Version: 1.0\n", "(MIME)"),
        ("MIME-Version: 1.0\n", "(MIME)"),
        ("\u{1f}\u{8b}", "first line"),
    ] {
        let error = form(text).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains("nixvm.nocloud=no"), "{text}: {error}");
    }
    let gzip = user_data(b"\x1f\x8b\x08\x00", "/dev/sr0").unwrap_err().to_string();
    assert!(gzip.contains("compressed"), "{gzip}");
    let latin = user_data(b"#cloud-config\nhostname: \xe4\n", "/dev/sr0").unwrap_err().to_string();
    assert!(latin.contains("line 2, column 11: it is not text in UTF-8"), "{latin}");
    let long = vec![b'#'; LONGEST + 1];
    let long = meta_data(&long, "/dev/sr0").unwrap_err().to_string();
    assert!(long.contains("larger than 1024 KiB"), "{long}");
}

#[test]
fn mistakes_are_named_all_at_once_with_their_lines() {
    let error = error("hostname: a_b\nusers:\n  - name: 9a\n    ssh_authorized_keys: [ssh-x]\n");
    for line in ["line 2, column 11: ", "line 4, column 5: ", "line 5, column 27: "] {
        assert!(error.contains(line), "{line} is not in {error}");
    }
    for (text, expected) in [
        ("hostname: a\nhostname: b\n", "line 3, column 1: this key is given twice"),
        ("base: &b {name: ada}\nusers: [{<<: *b}]\n", "merged keys"),
        ("users: [{name: ada}\n", "this is not YAML"),
        ("- a\n", "cloud-config has to be keys with values"),
        ("hostname: !!binary d2Vi\n", "hostname has to be text"),
        ("hostname: [web]\n", "hostname has to be text"),
    ] {
        let error = self::error(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn meta_data_names_the_host() {
    let read = |text: &str| meta_data(text.as_bytes(), "/dev/sr0").unwrap();
    for (text, expected) in [
        ("instance-id: i-1\nlocal-hostname: web.example.org\n", Some("web")),
        ("hostname: web\n", Some("web")),
        ("hostname: other\nlocal-hostname: web\n", Some("web")),
        ("{\"instance-id\": \"i-1\", \"local-hostname\": \"web\"}", Some("web")),
        ("instance-id: i-1\n", None),
        ("", None),
    ] {
        let found = read(text);
        assert_eq!(found.source.to_string(), "meta-data on /dev/sr0");
        assert_eq!(found.answers.hostname.as_ref().map(|name| name.as_str()), expected, "{text}");
        assert_eq!(found.ignored, Vec::<String>::new());
    }
    let key = KEY.trim_end();
    for text in [format!("public-keys:\n  - {key}\n"), format!("public-keys: {{a: [{key}]}}\n")] {
        assert_eq!(key_lines(&read(&text).answers), [key], "{text}");
    }
    assert_eq!(read("network-interfaces: |\n  auto eth0\n").ignored, ["network-interfaces"]);
    assert!(meta_data(b"web", "/dev/sr0").is_err());
}

/// What an anchor stands for is read in each of its places.
#[test]
fn aliases_are_followed() {
    let key = KEY.trim_end();
    let text = format!("keys: &keys [{key}]\nusers: [{{name: ada, ssh_authorized_keys: *keys}}]\n");
    assert_eq!(key_lines(&answers(&text)), [key]);
}

proptest! {
    #[test]
    fn no_cloud_config_says_anything_of_disk_or_consent(
        keys in proptest::collection::vec("(erase|countdown|disk|finish|network|hostname|users|user|[a-z]{1,4})", 0..6),
        values in proptest::collection::vec("(any|0|\\[[a-z]{1,3}\\]|\\{pick: only\\}|[ -~]{0,12})", 6),
    ) {
        let lines: Vec<_> = keys.iter().zip(&values).map(|(k, v)| format!("{k}: {v}\n")).collect();
        if let Ok(found) = given(&lines.concat()) {
            let Answers { erase, countdown, disk, finish, network, .. } = found.answers;
            prop_assert!(erase.is_none() && countdown.is_none() && disk.is_none());
            prop_assert!(finish.is_none() && network.is_none());
        }
    }
}
