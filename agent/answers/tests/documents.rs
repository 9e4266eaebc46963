//! Answers files as people write them, right and wrong.

use expect_test::expect_file;
use nixvm_answers::answers::{Erase, Finish, Network};
use nixvm_answers::disk::Pick;
use nixvm_answers::document::{LONGEST, parse};
use nixvm_answers::{Answers, Problems, Source};
use proptest::prelude::*;

const EXAMPLE: &str = include_str!("../fixtures/answers.toml");

fn file() -> Source {
    Source::File { path: "answers.toml".into() }
}

fn answers(text: &str) -> Answers {
    parse(text.as_bytes(), file()).unwrap_or_else(|problems| panic!("{text}\n{problems}")).answers
}

fn problems(text: impl AsRef<[u8]>) -> Problems {
    parse(text.as_ref(), file()).expect_err("there is a mistake in it")
}

#[test]
fn every_key_is_read() {
    let answers = answers(EXAMPLE);
    assert_eq!(answers.hostname.unwrap().as_str(), "web");
    assert_eq!(answers.username.unwrap().as_str(), "ada");
    assert_eq!(answers.full_name.unwrap().as_str(), "Ada Lovelace");
    assert!(answers.password_hash.unwrap().reveal().starts_with("$6$rounds=200000$"));
    assert_eq!(answers.ssh_authorized_keys.unwrap()[0].summary(), "ssh-ed25519 ada@mac");
    assert_eq!(answers.keymap.unwrap().as_str(), "de-latin1");
    assert_eq!(answers.locale.unwrap().as_str(), "de_DE.UTF-8");
    assert_eq!(answers.timezone.unwrap().as_str(), "Europe/Berlin");
    assert_eq!(answers.proxy.unwrap().as_str(), "http://proxy.example:3128");
    assert_eq!(answers.erase, Some(Erase::Any));
    assert_eq!(answers.countdown.unwrap().seconds(), 3);
    assert_eq!(answers.finish, Some(Finish::Poweroff));
    let network = answers.network.unwrap();
    assert_eq!(network.policy(), Network::None);
    assert_eq!(
        network.interfaces[0].to_string(),
        "name=enp1s0,mac=52:54:00:12:34:56,address=10.0.2.77/24,address=fd00::77/64,\
         gateway=10.0.2.2,gateway=fe80::1,dns=10.0.2.3,dns=fd00::3,search=example.org"
    );
    assert_eq!(network.interfaces[1].to_string(), "name=enp2s0,address=192.168.7.2/24");
    let disk = answers.disk.unwrap();
    assert_eq!(disk.path.unwrap().as_str(), "/dev/vda");
    assert_eq!(disk.by_id.unwrap().as_str(), "virtio-A1");
    assert_eq!(disk.serial.unwrap().as_str(), "A1");
    assert_eq!(disk.model.unwrap().to_string(), "QEMU*");
    assert_eq!(disk.min_size.unwrap().bytes(), 20 << 30);
    assert_eq!(disk.max_size.unwrap().bytes(), 1_000_000_000_000);
    assert_eq!(disk.pick, Some(Pick::Only));
}

#[test]
fn every_key_may_be_left_out() {
    for nothing in ["", "# nothing\n", "\u{feff}\r\n", "\n\n\n"] {
        assert_eq!(answers(nothing), Answers::default());
    }
    let table: toml::Table = EXAMPLE.parse().unwrap();
    for (key, value) in table {
        let alone = toml::Table::from_iter([(key.clone(), value)]).to_string();
        let said = serde_json::to_value(answers(&alone)).unwrap();
        let keys: Vec<_> = said.as_object().unwrap().keys().collect();
        assert_eq!(keys, [&key]);
    }
}

#[test]
fn later_answers_leave_the_keys_alone_that_they_do_not_name() {
    let whole = answers(EXAMPLE);
    assert_eq!(Answers::default().or(whole.clone()), whole);
    assert_eq!(whole.clone().or(answers("hostname = 'other'")), whole);
    let both = answers("hostname = 'other'").or(whole.clone());
    assert_eq!(both.hostname.unwrap().as_str(), "other");
    assert_eq!(both.username, whole.username);
}

#[test]
fn a_disk_rule_has_two_forms() {
    let rule = answers("disk = \"serial=A1,smallest\"").disk;
    assert_eq!(rule, answers("disk.serial = \"A1\"\ndisk.pick = \"smallest\"").disk);
    assert_eq!(rule, answers("[disk]\r\npick = 'smallest'\r\nserial = 'A1'\r\n").disk);
}

#[test]
fn the_network_has_a_short_form_and_a_table() {
    let settings = answers("network = 'required'").network;
    assert_eq!(settings, answers("[network]\npolicy = 'required'\n").network);
    assert_eq!(settings, answers("network.policy = 'required'\n").network);
    for (text, said) in [
        ("[network]\n", "these network settings are empty"),
        ("network = 1", "has to be text in quotes, or a table"),
        ("network.polciy = 'none'", "did you mean \"policy\"?"),
        ("network.policy = true", "policy has to be text in quotes, not true or false"),
    ] {
        let problems = problems(text).to_string();
        assert!(problems.contains(said), "{problems}");
    }
}

#[test]
fn an_interface_is_a_table_or_its_short_form() {
    let interfaces = |text: &str| answers(text).network.unwrap().interfaces;
    let short = interfaces("network = 'name=eth0,address=10.0.2.77/24,dns=10.0.2.3'");
    let table =
        interfaces("[[network.interface]]\nname='eth0'\naddress='10.0.2.77/24'\ndns=['10.0.2.3']");
    assert_eq!(short, table);
    let one = interfaces("network.interface.address = '10.0.2.77/24'");
    assert_eq!(one, interfaces("network.interface = ['address=10.0.2.77/24']"));

    let many = "[network]\n[[network.interface]]\nname = 'eth 0'\nadress = 1\n\
        address = ['10.0.2.77', 7]\n[[network.interface]]\n\
        address = '10.0.2.77/24'\ngateway = '10.0.3.1'\n";
    let problems = problems(many).to_string();
    for said in [
        "answers.toml:3:8: \"eth 0\" is not a network interface's name",
        "answers.toml:4:1: \"adress\" is not a part of an interface",
        "answers.toml:5:12: \"10.0.2.77\" is not an address with a prefix",
        "answers.toml:5:25: address has to be text in quotes, not a number",
        "the gateway 10.0.3.1 is outside of 10.0.2.0/24",
    ] {
        assert!(problems.contains(said), "{said} is not in:\n{problems}");
    }
}

#[test]
fn no_line_after_an_unclosed_quote_of_an_interface_is_repeated() {
    for value in [
        "interface = \"\"\"name=eth0\nhunter2\"\"\"",
        "interface = [\"\"\"name=eth0\nhunter2\"\"\"]",
        "interface.name = \"\"\"eth0\nhunter2\"\"\"",
        "interface.dns = \"\"\"10.0.2.3\nhunter2\"\"\"",
        "interface.dns = [\"\"\"10.0.2.3\nhunter2\"\"\"]",
    ] {
        let problems = problems(format!("[network]\n{value}")).to_string();
        assert!(problems.contains("has to be text in quotes, not several lines"), "{problems}");
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}

#[test]
fn another_version_is_refused_and_reserved_words_too() {
    assert_eq!(answers("version = 1\n"), Answers::default());
    for text in ["version = 2\nhostnme = 'x'", "version = '1'", "version = -1"] {
        let problems = problems(text);
        assert_eq!(problems.iter().count(), 1, "{problems}");
        assert!(problems.to_string().starts_with("answers.toml:1:1: "), "{problems}");
    }
    for text in ["installer = false", "nocloud = false"] {
        let switch = problems(text).to_string();
        assert!(switch.contains("on the kernel's command line"), "{switch}");
    }
}

#[test]
fn all_mistakes_are_named_at_once_with_their_place_and_a_remedy() {
    let problems = problems(include_str!("../fixtures/mistakes.toml"));
    expect_file!["../fixtures/mistakes.txt"].assert_eq(&format!("{problems}\n"));
}

#[test]
fn files_that_are_no_text_say_what_they_are() {
    let said = |bytes: &[u8]| problems(bytes).to_string();
    assert!(said(b"\xff\xfeh\x00").contains("UTF-16"));
    assert!(said(b"a = 1\nb = \xe4\n").starts_with("answers.toml:2:5: it is not text in UTF-8"));
    assert!(said(&vec![b'#'; LONGEST + 1]).contains("larger than 64 KiB"));
    assert_eq!(answers(&"#".repeat(LONGEST)), Answers::default());
}

#[test]
fn an_unclosed_string_does_not_bring_forth_mistakes_that_are_none() {
    let problems = problems("hostname = \"web\"\n[disk\nserial = \"x\"\nwhatever\n");
    let lines: Vec<_> = problems.iter().map(|p| p.position.unwrap().line).collect();
    assert_eq!(lines[0], 2, "{problems}");
    assert!(!problems.to_string().contains("is not a key"), "{problems}");
}

/// One line of an answers file: a key with a value that suits it, or does not.
fn any_line() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        proptest::sample::select(Answers::KEYS.to_vec()).prop_map(str::to_owned),
        "[a-z-]{1,12}",
    ];
    let value = prop_oneof![
        "\"[ -!#-\\[\\]-~]{0,20}\"",
        "'[ -&(-~]{0,20}'",
        "[0-9]{1,12}",
        Just("[\"a\", 1]".to_owned()),
        Just("true".to_owned()),
        "[a-z{\\[\"' ]{0,8}",
    ];
    (key, value).prop_map(|(key, value)| format!("{key} = {value}"))
}

#[test]
fn a_quote_that_swallows_the_last_line_repeats_nothing_of_it() {
    for key in Answers::KEYS {
        for quote in ["\"\"\"", "'''", "\"", "'", "[\"\"\""] {
            let text = format!("{key} = {quote}\npassword-hash = Hunter2Hunter2");
            let problems = parse(text.as_bytes(), file()).unwrap_err();
            assert!(!format!("{problems} {problems:?}").contains("Hunter2"), "{problems}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused_with_a_place_inside_them(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            proptest::collection::vec(any_line(), 0..8).prop_map(|l| l.join("\n").into_bytes()),
        ],
    ) {
        let lines = bytes.iter().filter(|b| **b == b'\n').count() + 1;
        if let Err(problems) = parse(&bytes, file()) {
            prop_assert!(problems.iter().count() > 0);
            for problem in &problems {
                prop_assert!(!problem.message.is_empty());
                prop_assert!(!problem.message.contains(char::is_control));
                let Some(position) = problem.position else { continue };
                prop_assert!((1..=lines).contains(&position.line) && position.column >= 1);
            }
        }
    }

    /// Whatever is wrong with it and around it, what is said of a file has no secret of it.
    #[test]
    fn no_message_repeats_what_may_be_a_password(
        before in proptest::collection::vec(any_line(), 0..3),
        open in proptest::sample::select(vec!["", "\"", "'", "\"\"\"", "[", "{ x = ", "[\""]),
        close in proptest::sample::select(vec!["", "\"", "'", "\"\"\"", "]", " }", "\"]"]),
        middle in proptest::sample::select(vec!["", "$6$", "\\q", " ", "=", "\u{7}"]),
        after in proptest::collection::vec(any_line(), 0..3),
    ) {
        let line = format!("password-hash = {open}Hunter2{middle}Hunter2{close}");
        let text = [before, vec![line], after].concat().join("\n");
        let Err(problems) = parse(text.as_bytes(), file()) else { return Ok(()) };
        let said = format!("{problems} {problems:?} {}", serde_json::to_string(&problems).unwrap());
        prop_assert!(!said.contains("Hunter2"), "{}", said);
    }
}
