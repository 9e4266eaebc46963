//! Customizing a downloaded ISO, and what goes wrong.

use nixvm_answers::{Source, area, document};
use nixvm_iso::image::{Access, Image};

use crate::desk::{Desk, published};
use crate::images::{Entry, empty_area, file, image, in_folder};

const KEY: &str = include_str!("../../../../agent/answers/fixtures/ed25519.pub");
const ANSWERS: &str = include_str!("../../../../agent/answers/fixtures/answers.toml");

#[test]
fn the_whole_way_and_back() {
    let desk = Desk::with(&published());
    assert_eq!(desk.run("show", &[]).unwrap(), "# no answers\n");
    let key = desk.write("id.pub", KEY);
    let key = key.to_str().unwrap();
    let options = ["--hostname", "web", "--username", "ada", "--ssh-key", key];
    desk.run("customize", &options).unwrap();
    // A second time adds to the first.
    desk.run("customize", &["--disk", "smallest", "--erase", "any", "--finish", "wait"]).unwrap();
    let shown = desk.run("show", &[]).unwrap();
    let expected = format!(
        "hostname = \"web\"\nusername = \"ada\"\nssh-authorized-keys = [\"{}\"]\n\
         erase = \"any\"\nfinish = \"wait\"\n\n[disk]\npick = \"smallest\"\n",
        KEY.trim_end()
    );
    assert_eq!(shown, expected);
    desk.run("reset", &[]).unwrap();
    assert!(desk.bytes() == published(), "reset gives back what was published");
}

#[test]
fn only_the_area_changes() {
    let desk = Desk::with(&published());
    let area = desk.area();
    desk.run("customize", &["--hostname", "web"]).unwrap();
    let (before, after) = (published(), desk.bytes());
    assert_ne!(before[area.clone()], after[area.clone()]);
    assert!(before[..area.start] == after[..area.start] && before[area.end..] == after[area.end..]);
}

#[test]
fn an_answers_file_is_stored_as_it_is_and_its_secrets_are_not_shown() {
    let desk = Desk::with(&published());
    let answers = desk.write("answers.toml", format!("\u{feff}{ANSWERS}"));
    let said = desk.run("customize", &["--answers", answers.to_str().unwrap()]).unwrap();
    let shown = desk.run("show", &[]).unwrap();
    for secret in ["$6$", "s3cret-in-the-script"] {
        assert!(ANSWERS.contains(secret), "the file has no {secret}");
        assert!(!said.contains(secret) && !shown.contains(secret), "{said}{shown}");
    }
    let head = "# password-hash is given, and not shown\n\
        # first-boot is given, and not shown\nhostname = \"web\"\n";
    assert!(shown.starts_with(head), "{shown}");
    let bytes = desk.bytes();
    assert_eq!(area::decode(&bytes[desk.area()]), Ok(ANSWERS));
}

#[test]
fn a_script_and_a_webhook_are_read_from_options() {
    let desk = Desk::with(&published());
    let script = desk.write("first-boot", "#!/bin/sh\ntouch /root/ready\n");
    let fingerprint = "ab".repeat(32);
    let said = desk.run(
        "customize",
        &[
            "--first-boot-script",
            script.to_str().unwrap(),
            "--webhook-url",
            "https://inventory.example/nixvm",
            "--webhook-fingerprint",
            &fingerprint,
        ],
    );
    said.unwrap();
    let bytes = desk.bytes();
    let stored = area::decode(&bytes[desk.area()]).unwrap();
    let given = document::parse(stored.as_bytes(), Source::Iso).unwrap().answers;
    let found = given.first_boot.unwrap();
    assert_eq!(found.script.reveal(), "#!/bin/sh\ntouch /root/ready\n");
    let webhook = given.webhook.unwrap();
    assert_eq!(webhook.to_string(), "https://inventory.example/nixvm");
    assert!(webhook.fingerprint.is_some());
}

#[test]
fn options_win_over_the_file_and_its_comments_stay() {
    let desk = Desk::with(&published());
    let answers = desk.write("answers.toml", ANSWERS);
    let file = answers.to_str().unwrap();
    desk.run("customize", &["--answers", file, "--hostname", "db", "--disk", "/dev/vdb"]).unwrap();
    let bytes = desk.bytes();
    let stored = area::decode(&bytes[desk.area()]).unwrap();
    assert!(stored.starts_with("# Every key there is."), "{stored}");
    let shown = desk.run("show", &[]).unwrap();
    assert!(shown.contains("hostname = \"db\"\n") && shown.contains("username = \"ada\"\n"));
    assert!(
        shown.contains("[disk]\npath = \"/dev/vdb\"\n") && !shown.contains("serial"),
        "{shown}"
    );
    // The next one begins anew.
    let other = desk.write("other.toml", "username = \"bob\"\n");
    desk.run("customize", &["--answers", other.to_str().unwrap()]).unwrap();
    assert_eq!(desk.run("show", &[]).unwrap(), "username = \"bob\"\n");
}

#[test]
fn a_server_is_put_into_the_iso_with_its_certificate() {
    let desk = Desk::with(&published());
    let pin = "ab".repeat(32);
    let url = "https://answers.example/nixvm";
    let options = ["--answers-url", url, "--answers-fingerprint", &pin];
    desk.run("customize", &[&options[..], &["--hostname", "web"]].concat()).unwrap();
    let bytes = desk.bytes();
    let stored = area::decode(&bytes[desk.area()]).unwrap();
    let source = nixvm_answers::Source::Iso;
    let server = document::parse(stored.as_bytes(), source).unwrap().answers.server.unwrap();
    assert_eq!(server.url.unwrap().as_str(), url);
    assert_eq!(server.fingerprint.unwrap().0, [0xab; 32]);
    for wrong in [["--answers-url", "http://a"], ["--answers-fingerprint", &pin]] {
        assert!(desk.run("customize", &wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_password_hash_may_come_from_a_file_and_json_masks_it() {
    let desk = Desk::with(&published());
    let hash = "$2b$05$brngTNzGAqoFji5Ue.9iferNHD0WvKD6q0dEPXARfwfNFIRVkev.q";
    let file = desk.write("hash", format!("{hash}\n"));
    let options = ["--password-hash-file", file.to_str().unwrap(), "--network", "none"];
    desk.run("customize", &options).unwrap();
    let bytes = desk.bytes();
    assert!(area::decode(&bytes[desk.area()]).unwrap().contains(hash));
    let shown = desk.run("show", &["--json"]).unwrap();
    assert!(!shown.contains("$2b$"), "{shown}");
    let json: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(json["password-hash"], "(not shown)");
    assert_eq!(json["network"]["policy"], "none");
    let wrong = desk.write("wrong", "hunter2\n");
    let error = desk.run("customize", &["--password-hash-file", wrong.to_str().unwrap()]);
    let error = error.unwrap_err();
    assert!(error.contains("not a password hash") && !error.contains("hunter2"), "{error}");
}

#[test]
fn wrong_answers_change_nothing() {
    let desk = Desk::with(&published());
    let wrong = desk.write("wrong.toml", "hostnme = \"web\"\n");
    let private = desk.write("id", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n");
    let long = desk.write("long.toml", "#".repeat(area::CAPACITY + 1));
    let large = desk.write("large.pub", "#".repeat(document::LONGEST + 1));
    let utf16 = desk.write("utf16.pub", b"\xff\xfes\0s\0h\0");
    let (wrong, private) = (wrong.to_str().unwrap(), private.to_str().unwrap());
    let utf16 = utf16.to_str().unwrap();
    for (options, said) in [
        (vec!["--answers", wrong], "did you mean \"hostname\"?"),
        (vec!["--answers", "/no/such/file"], "cannot be read"),
        (vec!["--answers", long.to_str().unwrap()], "has room for"),
        (vec!["--ssh-key", private], "PRIVATE key"),
        (vec!["--ssh-key", large.to_str().unwrap()], "larger than 64 KiB"),
        (vec!["--ssh-key", utf16], "in UTF-16; save it again"),
        (vec!["--ssh-key", "/no/such/key"], "cannot use /no/such/key"),
        (vec!["--hostname", "a.b"], "only the first label is wanted"),
        (vec!["--username", "root"], "of the system itself"),
        (vec!["--password-hash", "hunter2"], "a password itself is never taken"),
        (vec!["--disk", "biggest"], "not a disk rule"),
        (vec!["--erase", "yes"], "\"blank\", \"confirm\", \"any\""),
        (vec!["--finish", "halt"], "\"reboot\", \"poweroff\", \"wait\""),
        (vec![], "nothing to put into the ISO"),
    ] {
        let error = desk.run("customize", &options).unwrap_err();
        assert!(error.contains(said) && !error.contains("hunter2"), "{options:?}: {error}");
        assert!(!error.contains("b3Blb"), "{error}");
    }
    assert!(desk.bytes() == published());
}

#[test]
fn images_that_cannot_be_used_say_why_and_stay_as_they_are() {
    let area = empty_area;
    let mut cut = published();
    cut.truncate(cut.len() - 5000);
    let mut later = published();
    let version = area::MAGIC.len() + 1;
    let at = Desk::with(&later).area().start;
    later[at + version] = b'2';
    let mut no_magic = published();
    no_magic[at] ^= 1;
    let mut appended = published();
    appended.extend(area().bytes);
    let mut overlap = published();
    // The file "before" is said to be so long that the area lies in it.
    let name = overlap.windows(8).position(|bytes| bytes == b"BEFORE;1").unwrap();
    overlap[name - 33 + 10..][..4].copy_from_slice(&10_000_u32.to_le_bytes());
    let mut loop_of_folders = published();
    // The folder nixvm is said to lie where the root is.
    let record = 18 * 2048 + 2 * 34;
    loop_of_folders[record + 2] = 18;
    for (bytes, said) in [
        (b"".to_vec(), "it is not an ISO image"),
        (vec![0; 40_000], "it is not an ISO image"),
        (b"\x28\xb5\x2f\xfd and so on".to_vec(), "packed with zstd; unpack it first"),
        (b"\x1f\x8b and so on".to_vec(), "packed with gzip"),
        (cut, "it is cut off"),
        (image(&[file("a", b"x")]), "no place for answers"),
        (image(&[in_folder("answers.toml", b"hostname = 'x'")]), "has not the size"),
        (image(&[area(), in_folder("again", &area().bytes)]), "2 places for answers"),
        (image(&[area(), area()]), "has not the size"),
        (appended, "2 places for answers"),
        (no_magic, "is damaged; download it again"),
        (overlap, "another file lies in its place"),
        (later, "use the nixvm-iso that was published with it"),
        (loop_of_folders, "form a loop"),
    ] {
        let desk = Desk::with(&bytes);
        for (command, options) in
            [("show", vec![]), ("customize", vec!["--hostname", "web"]), ("reset", vec![])]
        {
            let error = desk.run(command, &options).unwrap_err();
            assert!(error.contains(said), "{command}: {error}");
            assert!(error.contains("nixvm.iso"), "the file is named: {error}");
        }
        assert!(desk.bytes() == bytes);
    }
}

#[test]
fn content_of_another_file_is_no_place_for_answers() {
    let mut store = vec![0; 4096];
    store.extend(empty_area().bytes);
    let desk = Desk::with(&image(&[empty_area(), file("nix-store.squashfs", &store)]));
    desk.run("customize", &["--hostname", "web"]).unwrap();
    assert_eq!(desk.run("show", &[]).unwrap(), "hostname = \"web\"\n");
}

#[test]
fn a_torn_area_is_reported_and_can_be_repaired() {
    let desk = Desk::with(&published());
    desk.run("customize", &["--hostname", "web"]).unwrap();
    let mut torn = desk.bytes();
    let at = desk.area().start;
    torn[at + 300] ^= 1;
    std::fs::write(&desk.iso, &torn).unwrap();
    for (command, options) in [("show", vec![]), ("customize", vec!["--username", "ada"])] {
        let error = desk.run(command, &options).unwrap_err();
        assert!(error.contains("damaged") && error.contains("nixvm-iso reset"), "{error}");
    }
    assert!(desk.bytes() == torn);
    let answers = desk.write("answers.toml", "username = \"ada\"\n");
    desk.run("customize", &["--answers", answers.to_str().unwrap()]).unwrap();
    assert_eq!(desk.run("show", &[]).unwrap(), "username = \"ada\"\n");
    std::fs::write(&desk.iso, &torn).unwrap();
    desk.run("reset", &[]).unwrap();
    assert!(desk.bytes() == published());
}

#[test]
fn two_at_once_do_not_mix() {
    let desk = Desk::with(&published());
    let held = Image::open(&desk.iso, Access::Write).unwrap();
    let error = desk.run("customize", &["--hostname", "web"]).unwrap_err();
    assert!(error.contains("another nixvm-iso is writing"), "{error}");
    drop(held);
    desk.run("customize", &["--hostname", "web"]).unwrap();
}

#[test]
fn a_folder_with_many_names_is_read_to_its_end() {
    // Names without Rock Ridge, as Linux shows them: small, and without the version.
    let names = ["ISOLINUX", "BOOT", "EFI", "README"];
    let mut entries: Vec<Entry> = names.map(|name| file(name, b"x")).into();
    entries.push(empty_area());
    let desk = Desk::with(&image(&entries));
    desk.run("customize", &["--hostname", "web"]).unwrap();
}

#[test]
fn validate_shows_what_a_file_says_or_all_that_is_wrong() {
    let desk = Desk::with(ANSWERS.as_bytes());
    let shown = desk.run("validate", &[]).unwrap();
    assert!(shown.contains("hostname = \"web\"") && !shown.contains("$6$"), "{shown}");
    let desk = Desk::with(include_bytes!("../../../../agent/answers/fixtures/mistakes.toml"));
    let error = desk.run("validate", &[]).unwrap_err();
    assert!(error.contains(":1:1: ") && error.contains(":12:52: "), "{error}");
    // What the agent's check-answers says.
    assert_eq!(error, document::check(&desk.iso).unwrap_err().report());
}
