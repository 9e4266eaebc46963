//! What holds for any answers and any damage.

use nixvm_answers::account::Username;
use nixvm_answers::answers::{Erase, Finish};
use nixvm_answers::disk::DiskRule;
use nixvm_answers::hostname::Hostname;
use nixvm_answers::{Answers, Source, area, document};
use nixvm_iso::edit::apply;
use nixvm_iso::image::{Access, Image};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::desk::Desk;
use crate::images::{empty_area, file, image};

const HASH: &str = "$2b$05$brngTNzGAqoFji5Ue.9iferNHD0WvKD6q0dEPXARfwfNFIRVkev.q";
const KEY: &str = include_str!("../../../../agent/answers/fixtures/ed25519.pub");
const STORE: [u8; 5000] = [7; 5000];

fn any_options() -> impl Strategy<Value = Answers> {
    let hostname = "[a-z]([a-z0-9-]{0,20}[a-z0-9])?".prop_map(|t| t.parse::<Hostname>().unwrap());
    let username = "[a-z][a-z0-9-]{0,20}x".prop_map(|t| t.parse::<Username>().unwrap());
    let disk = prop_oneof![
        select(vec!["smallest", "/dev/vda", "min-size=20G,max-size=1TB,largest", "model=A B*"])
            .prop_map(str::to_owned),
        "serial=[A-Za-z0-9\"'\\\\# ]{0,10}Z",
    ]
    .prop_map(|text| text.parse::<DiskRule>().unwrap());
    let erase = select(vec![Erase::Blank, Erase::Confirm, Erase::Any]);
    let finish = select(vec![Finish::Reboot, Finish::Poweroff, Finish::Wait]);
    let keys = proptest::collection::vec(Just(KEY.trim_end().parse().unwrap()), 0..3);
    let hash = of(Just(HASH.parse().unwrap()));
    (of(hostname), of(username), keys, hash, of(disk), of(erase), of(finish)).prop_map(
        |(hostname, username, keys, password_hash, disk, erase, finish)| Answers {
            hostname,
            username,
            ssh_authorized_keys: Some(keys).filter(|keys: &Vec<_>| !keys.is_empty()),
            password_hash,
            disk,
            erase,
            finish,
            ..Answers::default()
        },
    )
}

/// Answers before the options: none, few, or all, with every form of a disk rule.
fn any_base() -> impl Strategy<Value = &'static str> {
    select(vec![
        "",
        "# mine\nhostname = 'old' # why\nnetwork = \"none\"",
        "network = 'none'\ndisk = { serial = 'A' }\n",
        "network = 'none'\ndisk.serial = 'A'\ndisk.pick = 'only'\n",
        include_str!("../../../../agent/answers/fixtures/answers.toml"),
    ])
}

fn answers(text: &str) -> Answers {
    document::parse(text.as_bytes(), Source::Iso).expect("they are right").answers
}

proptest! {
    #[test]
    fn what_is_put_in_is_what_is_read(base in any_base(), options in any_options()) {
        let bytes = image(&[empty_area(), file("nix-store.squashfs", &STORE)]);
        let desk = Desk::with(&bytes);
        let text = apply(base, &options).unwrap();
        let mut image = Image::open(&desk.iso, Access::Write).unwrap();
        image.put(&text).unwrap();
        let at = image.area_offset() as usize;
        let read = answers(&image.text().unwrap());
        let before = answers(base);
        prop_assert_eq!(read, options.or(before));
        let after = desk.bytes();
        prop_assert!(after[..at] == bytes[..at]);
        prop_assert!(after[at + area::SIZE..] == bytes[at + area::SIZE..]);
        prop_assert_eq!(after.len(), bytes.len());
    }

    /// Damage anywhere, in descriptors, directories or files: an error, or the area alone changes.
    #[test]
    fn a_damaged_image_is_refused_or_changed_in_the_area_alone(
        damage in proptest::collection::vec(
            (prop_oneof![16 * 2048..21 * 2048_usize, 0..100_000_usize], any::<u8>()), 1..6),
    ) {
        let mut bytes = image(&[empty_area(), file("nix-store.squashfs", &STORE)]);
        let length = bytes.len();
        for (at, byte) in damage {
            bytes[at % length] = byte;
        }
        let desk = Desk::with(&bytes);
        let at = Image::open(&desk.iso, Access::Read).map(|image| image.area_offset() as usize);
        let _either = desk.run("show", &[]);
        match (desk.run("customize", &["--hostname", "web"]), at) {
            (Err(_), _) => prop_assert!(desk.bytes() == bytes),
            (Ok(_), Ok(at)) => {
                let after = desk.bytes();
                prop_assert!(after[..at] == bytes[..at]);
                prop_assert!(after[at + area::SIZE..] == bytes[at + area::SIZE..]);
                prop_assert!(desk.run("show", &[]).unwrap().contains("hostname = \"web\""));
            }
            (Ok(_), Err(error)) => prop_assert!(false, "written although {error:#}"),
        }
    }

    #[test]
    fn damage_to_the_area_is_always_shown(
        damage in proptest::collection::vec(
            (prop_oneof![0..600_usize, 0..area::SIZE], any::<u8>()), 1..8),
    ) {
        let desk = Desk::with(&image(&[empty_area()]));
        desk.run("customize", &["--hostname", "web"]).unwrap();
        let before = desk.bytes();
        let start = desk.area().start;
        let mut bytes = before.clone();
        for (at, byte) in damage {
            bytes[start + at] = byte;
        }
        std::fs::write(&desk.iso, &bytes).unwrap();
        prop_assert_eq!(desk.run("show", &[]).is_err(), bytes != before);
    }

    #[test]
    fn an_image_that_is_cut_off_is_never_written(keep in 0_usize..120_000) {
        let mut bytes = image(&[empty_area(), file("nix-store.squashfs", &STORE)]);
        bytes.truncate(keep.min(bytes.len() - 1));
        let desk = Desk::with(&bytes);
        prop_assert!(desk.run("customize", &["--hostname", "web"]).is_err());
        prop_assert!(desk.bytes() == bytes);
    }
}
