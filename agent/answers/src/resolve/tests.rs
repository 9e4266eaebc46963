//! Answers of several sources → which of them holds.

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;
use crate::answers::Erase;
use crate::source::NoCloudFile;
use crate::{document, nocloud};

fn defaults() -> Defaults {
    Defaults {
        hostname: "nixvm".parse().unwrap(),
        username: "nixos".parse().unwrap(),
        full_name: None,
        keymap: None,
        locale: None,
        timezone: None,
        proxy: None,
        countdown: Countdown::from_seconds(10).unwrap(),
    }
}

fn volume(device: &str) -> Source {
    Source::Volume { device: device.into() }
}

/// All of them, highest precedence first.
fn sources() -> Vec<Source> {
    vec![
        Source::Request,
        Source::File { path: "answers.toml".into() },
        Source::CommandLine,
        volume("/dev/sdb1"),
        Source::FirmwareConfig,
        Source::Guestinfo,
        Source::Credential,
        Source::Url { url: "https://a.example/answers".into() },
        Source::NoCloud { path: NoCloudFile::UserData, device: "/dev/sr0".into() },
        Source::NoCloud { path: NoCloudFile::MetaData, device: "/dev/sr0".into() },
        Source::NoCloud { path: NoCloudFile::NetworkConfig, device: "/dev/sr0".into() },
        Source::SystemCredential { name: "firstboot.hostname".into() },
        Source::Iso,
    ]
}

fn given(source: Source, text: &str) -> Result<SourceAnswers, Problems> {
    document::parse(text.as_bytes(), source)
}

#[test]
fn without_sources_the_defaults_hold() {
    let resolved = resolve([], defaults()).unwrap();
    assert_eq!(resolved.hostname.value.as_str(), "nixvm");
    assert_eq!(resolved.erase.value, Erase::Blank);
    assert_eq!(resolved.disk, None);
    assert!(resolved.rows().iter().all(|row| row.source == Source::Default));
}

#[test]
fn each_key_is_decided_by_its_own_highest_source() {
    let resolved = resolve(
        [
            given(Source::Iso, "hostname = 'iso'\nusername = 'ada'\nerase = 'any'\n"),
            given(volume("/dev/sdb1"), "hostname = 'volume'\n[disk]\nserial = 'A1'\n"),
            given(Source::CommandLine, "erase = 'confirm'\n"),
        ],
        defaults(),
    )
    .unwrap();
    let rows = resolved.rows();
    let said = |key: &str| {
        let row = rows.iter().find(|row| row.key == key).unwrap();
        (row.value.as_str(), row.source.to_string())
    };
    assert_eq!(said("hostname"), ("volume", "nixvm.toml on /dev/sdb1".into()));
    assert_eq!(said("username"), ("ada", "this installer".into()));
    assert_eq!(said("erase"), ("confirm", "kernel command line".into()));
    assert_eq!(said("disk"), ("serial=A1", "nixvm.toml on /dev/sdb1".into()));
    assert_eq!(said("countdown"), ("10 s", "default".into()));
}

#[test]
fn a_disk_rule_is_never_put_together_from_two_sources() {
    let found = [
        given(Source::Iso, "disk = 'serial=A1'"),
        given(Source::FirmwareConfig, "disk = 'min-size=1G'"),
    ];
    let disk = resolve(found, defaults()).unwrap().disk.unwrap();
    assert_eq!(disk.value.to_string(), "min-size=1G");
}

#[test]
fn one_broken_source_refuses_all_and_no_problem_is_lost() {
    let found = [
        given(Source::CommandLine, "hostname = 'web'"),
        given(Source::Iso, "hostname = 'a b'\nerase = 'al'"),
        given(Source::FirmwareConfig, "diks = 'only'"),
    ];
    let problems = resolve(found, defaults()).unwrap_err();
    let sources: Vec<_> = problems.iter().map(|problem| &problem.source).collect();
    assert_eq!(sources, [&Source::Iso, &Source::Iso, &Source::FirmwareConfig]);
}

#[test]
fn a_baseline_knows_nothing_of_what_its_kind_of_machine_does_not_believe() {
    let loose = "erase = 'any'\ncountdown = 0\ndisk = 'largest'\n";
    for source in sources() {
        let strict = "erase = 'confirm'\ncountdown = 60\n";
        let mut found = vec![given(source.clone(), loose)];
        if source != Source::Iso {
            found.push(given(Source::Iso, strict));
        }
        let resolved = resolve(found, defaults()).unwrap();
        assert_eq!(resolved.erase.value, Erase::Any, "{source}");
        // By a virtual machine, and by a physical one.
        let believed = match source {
            Source::Request | Source::File { .. } | Source::CommandLine | Source::Iso => {
                [true, true]
            }
            Source::Volume { .. } | Source::FirmwareConfig => [true, false],
            Source::Guestinfo | Source::Credential => [true, false],
            Source::NoCloud { .. } | Source::SystemCredential { .. } => [true, false],
            Source::Url { .. } => [false, false],
            Source::Default => panic!("it gives no answers"),
        };
        let baselines = [resolved.baselines.virtual_machine, resolved.baselines.physical];
        for (believed, baseline) in believed.into_iter().zip(baselines) {
            let found = (baseline.erase, baseline.countdown.seconds(), baseline.disk.is_some());
            let expected =
                if believed { (Erase::Any, 0, true) } else { (Erase::Confirm, 60, false) };
            assert_eq!(found, expected, "{source}");
        }
    }
}

#[test]
fn two_volumes_are_refused_whatever_they_say() {
    let found = [given(volume("/dev/sdb1"), ""), given(volume("/dev/sr1"), "")];
    let problems = resolve(found, defaults()).unwrap_err().to_string();
    assert!(problems.contains("/dev/sdb1") && problems.contains("/dev/sr1"), "{problems}");
}

#[test]
fn a_volume_for_nixvm_and_one_for_cloud_init_are_merged_by_key() {
    let cidata = "#cloud-config\nhostname: cloud\nuser: ada\nruncmd: []\npackages: [vim]\n";
    let found = [
        nocloud::meta_data(b"local-hostname: meta\npublic-keys: []\n", "/dev/sr0"),
        nocloud::user_data(cidata.as_bytes(), "/dev/sr0"),
        given(volume("/dev/sdb1"), "hostname = 'volume'"),
        given(Source::Iso, "username = 'bob'\nfull-name = 'Bob'"),
    ];
    let resolved = resolve(found, defaults()).unwrap();
    assert_eq!(resolved.hostname.source, volume("/dev/sdb1"));
    assert_eq!(resolved.username.value.as_str(), "ada");
    assert_eq!(resolved.full_name.unwrap().source, Source::Iso);
    let ignored: Vec<_> = resolved.ignored.iter().map(ToString::to_string).collect();
    assert_eq!(ignored, ["Ignored in user-data on /dev/sr0: runcmd, packages."]);
    let two = [nocloud::meta_data(b"", "/dev/sr0"), nocloud::meta_data(b"", "/dev/sr1")];
    let problems = resolve(two, defaults()).unwrap_err().to_string();
    assert!(problems.contains("/dev/sr0") && problems.contains("/dev/sr1"), "{problems}");
}

#[test]
fn a_long_list_of_what_is_ignored_is_cut() {
    let keys = (0..12).map(|number| format!("k{number}")).collect();
    let shown = Ignored { source: Source::Iso, keys }.to_string();
    assert!(shown.ends_with("k8, k9, and 2 more."), "{shown}");
}

#[test]
fn a_password_for_an_account_is_not_given_to_another() {
    const HASH: &str = "$2b$05$brngTNzGAqoFji5Ue.9iferNHD0WvKD6q0dEPXARfwfNFIRVkev.q";
    let credential = |name: &str, text: &str| credential::parse(name, text.as_bytes()).unwrap();
    let found = || {
        [
            credential("passwd.hashed-password.nixos", HASH),
            credential("passwd.hashed-password.ada", HASH),
            credential("system.hostname", "web.example.org\n"),
        ]
    };
    let password =
        |resolved: &Resolved| resolved.password_hash.as_ref().map(|hash| hash.source.to_string());
    let resolved = resolve(found(), defaults()).unwrap();
    assert_eq!(resolved.hostname.value.as_str(), "web");
    let expected = "system credential passwd.hashed-password.nixos";
    assert_eq!(password(&resolved).unwrap(), expected);
    assert_eq!(
        resolved.ignored.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["Ignored in system credential passwd.hashed-password.ada: all of it, since the \
             account is called nixos."]
    );
    let named = found().into_iter().chain([given(Source::CommandLine, "username = 'bob'")]);
    let resolved = resolve(named, defaults()).unwrap();
    assert_eq!((password(&resolved), resolved.ignored.len()), (None, 2));
}

#[test]
fn secrets_are_in_no_row_and_no_json() {
    let text = include_str!("../../fixtures/answers.toml");
    let resolved = resolve([given(Source::Iso, text)], defaults()).unwrap();
    let shown =
        format!("{resolved:?} {:?} {}", resolved.rows(), serde_json::to_string(&resolved).unwrap());
    assert!(!shown.contains("$6$"), "{shown}");
    assert!(resolved.rows().iter().any(|row| row.key == "password-hash"));
}

proptest! {
    #[test]
    fn precedence_is_that_of_the_list_in_any_order(
        (kept, shuffled) in subsequence(sources(), 1..=12)
            .prop_flat_map(|kept| (Just(kept.clone()), Just(kept).prop_shuffle()))
    ) {
        let found = shuffled.into_iter().map(|source| given(source, "hostname = 'web'"));
        let resolved = resolve(found, defaults()).unwrap();
        prop_assert_eq!(resolved.hostname.source, kept[0].clone());
    }
}
