//! The answers of several sources → [`Resolved`], or the problems of all of them.

use crate::account::{FullName, Username};
use crate::answers::Countdown;
use crate::hostname::Hostname;
use crate::keymap::Keymap;
use crate::keys::Answers;
use crate::locale::Locale;
use crate::problem::{Problem, Problems};
use crate::source::Source;
use crate::timezone::Timezone;

pub use crate::keys::{Resolved, Row};

/// The answers of one source, all of them checked.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceAnswers {
    /// Where they come from.
    pub source: Source,
    /// The answers.
    pub answers: Answers,
}

/// The defaults that differ from one ISO to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Defaults {
    /// Host name of the system that the ISO carries.
    pub hostname: Hostname,
    /// Login name in the system that the ISO carries.
    pub username: Username,
    /// Full name of that account's owner, if the system has one.
    pub full_name: Option<FullName>,
    /// Keymap of the system that the ISO carries, if its flake can be told another one.
    pub keymap: Option<Keymap>,
    /// Locale of the system that the ISO carries, likewise.
    pub locale: Option<Locale>,
    /// Time zone that is part of the system which the ISO carries; without one, it is the machine's.
    pub timezone: Option<Timezone>,
    /// Time before the first write.
    pub countdown: Countdown,
}

/// Merges the sources' answers: the source of the highest precedence decides each key, whole.
///
/// A list or a disk rule is never put together from two sources. The order of `found` does not
/// matter.
///
/// # Errors
/// The problems of all sources together, and two sources of the same rank. One broken source is
/// enough to refuse all: it may be the one that names the disk to spare.
pub fn resolve(
    found: impl IntoIterator<Item = Result<SourceAnswers, Problems>>,
    defaults: Defaults,
) -> Result<Resolved, Problems> {
    let mut problems = Vec::new();
    let mut given = Vec::new();
    for result in found {
        match result {
            Ok(one) => given.push(one),
            Err(found) => problems.extend(found),
        }
    }
    given.sort_by(|a, b| a.source.rank().cmp(&b.source.rank()).then(a.source.cmp(&b.source)));
    for pair in given.windows(2) {
        if pair[0].source.rank() == pair[1].source.rank() {
            problems.push(Problem::whole(
                pair[1].source.clone(),
                format!("there are other answers of the same rank: {}", pair[0].source),
                Some("remove all but one of them"),
            ));
        }
    }
    Problems::none_or(problems, ())?;
    Ok(Resolved::from_sorted(&given, &defaults))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::subsequence;

    use super::*;
    use crate::answers::Erase;
    use crate::document;

    fn defaults() -> Defaults {
        Defaults {
            hostname: "nixvm".parse().unwrap(),
            username: "nixos".parse().unwrap(),
            full_name: None,
            keymap: None,
            locale: None,
            timezone: None,
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
        assert_eq!(said("username"), ("ada", "this ISO".into()));
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
    fn two_volumes_are_refused_whatever_they_say() {
        let found = [given(volume("/dev/sdb1"), ""), given(volume("/dev/sr1"), "")];
        let problems = resolve(found, defaults()).unwrap_err().to_string();
        assert!(problems.contains("/dev/sdb1") && problems.contains("/dev/sr1"), "{problems}");
    }

    #[test]
    fn secrets_are_in_no_row_and_no_json() {
        let text = include_str!("../fixtures/answers.toml");
        let resolved = resolve([given(Source::Iso, text)], defaults()).unwrap();
        let shown = format!(
            "{resolved:?} {:?} {}",
            resolved.rows(),
            serde_json::to_string(&resolved).unwrap()
        );
        assert!(!shown.contains("$6$"), "{shown}");
        assert!(resolved.rows().iter().any(|row| row.key == "password-hash"));
    }

    proptest! {
        #[test]
        fn precedence_is_that_of_the_list_in_any_order(
            (kept, shuffled) in subsequence(sources(), 1..=8)
                .prop_flat_map(|kept| (Just(kept.clone()), Just(kept).prop_shuffle()))
        ) {
            let found = shuffled.into_iter().map(|source| given(source, "hostname = 'web'"));
            let resolved = resolve(found, defaults()).unwrap();
            prop_assert_eq!(resolved.hostname.source, kept[0].clone());
        }
    }
}
