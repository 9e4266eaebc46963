//! What several sources say → [`Resolved`], or the problems of all of them.

use serde::Serialize;

use crate::account::{FullName, Username};
use crate::answers::{Answers, Countdown, Erase, Finish, Network};
use crate::disk::DiskRule;
use crate::hostname::Hostname;
use crate::password::PasswordHash;
use crate::problem::{Problem, Problems};
use crate::source::{Source, Sourced};
use crate::ssh::AuthorizedKey;

/// What one source says, all of it checked.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceAnswers {
    /// Who says it.
    pub source: Source,
    /// What is said.
    pub answers: Answers,
}

/// What holds when nobody says otherwise, and differs from one ISO to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Defaults {
    /// Host name of the system that the ISO carries.
    pub hostname: Hostname,
    /// Login name in the system that the ISO carries.
    pub username: Username,
    /// Full name of that account's owner, if the system has one.
    pub full_name: Option<FullName>,
    /// Time before the first write.
    pub countdown: Countdown,
}

/// The answers to install by, each with the source that decided it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Resolved {
    /// Host name.
    pub hostname: Sourced<Hostname>,
    /// Login name of the account.
    pub username: Sourced<Username>,
    /// Full name of the account's owner.
    pub full_name: Option<Sourced<FullName>>,
    /// The account's password. None: ask for one.
    pub password_hash: Option<Sourced<PasswordHash>>,
    /// Keys that may log in.
    pub ssh_authorized_keys: Sourced<Vec<AuthorizedKey>>,
    /// Which disk. None: the only one, or ask.
    pub disk: Option<Sourced<DiskRule>>,
    /// When a disk may be erased.
    pub erase: Sourced<Erase>,
    /// Time before the first write.
    pub countdown: Sourced<Countdown>,
    /// What to do at the end.
    pub finish: Sourced<Finish>,
    /// Use of the network.
    pub network: Sourced<Network>,
}

/// Merges what the sources say: for each key the one of the highest precedence decides, whole.
///
/// A list or a disk rule is never put together from two sources. The order of `found` does not
/// matter.
///
/// # Errors
/// The problems of all sources together, and two sources of the same rank. One broken source is
/// enough to refuse all: it may be the one that said which disk to spare.
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
                format!("there are other answers of the same kind: {}", pair[0].source),
                Some("leave one of them, so that it is clear which is meant"),
            ));
        }
    }
    Problems::none_or(problems, ())?;
    Ok(Resolved {
        hostname: first(&given, |a| &a.hostname).unwrap_or_else(|| default(defaults.hostname)),
        username: first(&given, |a| &a.username).unwrap_or_else(|| default(defaults.username)),
        full_name: first(&given, |a| &a.full_name).or_else(|| defaults.full_name.map(default)),
        password_hash: first(&given, |a| &a.password_hash),
        ssh_authorized_keys: first(&given, |a| &a.ssh_authorized_keys)
            .unwrap_or_else(|| default(Vec::new())),
        disk: first(&given, |a| &a.disk),
        erase: first(&given, |a| &a.erase).unwrap_or_else(|| default(Erase::Blank)),
        countdown: first(&given, |a| &a.countdown).unwrap_or_else(|| default(defaults.countdown)),
        finish: first(&given, |a| &a.finish).unwrap_or_else(|| default(Finish::Reboot)),
        network: first(&given, |a| &a.network).unwrap_or_else(|| default(Network::Auto)),
    })
}

/// What the first of the sources says that says anything.
fn first<T: Clone>(
    given: &[SourceAnswers],
    value: impl Fn(&Answers) -> &Option<T>,
) -> Option<Sourced<T>> {
    given.iter().find_map(|one| {
        let value = value(&one.answers).clone()?;
        Some(Sourced { value, source: one.source.clone() })
    })
}

fn default<T>(value: T) -> Sourced<T> {
    Sourced { value, source: Source::Default }
}

/// One answer as a screen or a terminal shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The key.
    pub key: &'static str,
    /// The value in words; a secret is not shown.
    pub value: String,
    /// Who said it.
    pub source: Source,
}

impl Resolved {
    /// The answers in the order of [`Answers::KEYS`]; what nobody said and has no default is left
    /// out.
    pub fn rows(&self) -> Vec<Row> {
        let keys = self.ssh_authorized_keys.value.iter().map(AuthorizedKey::summary);
        let keys = Sourced {
            value: keys.collect::<Vec<_>>().join(", "),
            source: self.ssh_authorized_keys.source.clone(),
        };
        [
            row("hostname", Some(&self.hostname)),
            row("username", Some(&self.username)),
            row("full-name", self.full_name.as_ref()),
            row("password-hash", self.password_hash.as_ref()),
            row("ssh-authorized-keys", (!keys.value.is_empty()).then_some(&keys)),
            row("disk", self.disk.as_ref()),
            row("erase", Some(&self.erase)),
            row("countdown", Some(&self.countdown)),
            row("finish", Some(&self.finish)),
            row("network", Some(&self.network)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn row<T: ToString>(key: &'static str, sourced: Option<&Sourced<T>>) -> Option<Row> {
    sourced.map(|Sourced { value, source }| Row {
        key,
        value: value.to_string(),
        source: source.clone(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::subsequence;

    use super::*;
    use crate::document;

    fn defaults() -> Defaults {
        Defaults {
            hostname: "nixvm".parse().unwrap(),
            username: "nixos".parse().unwrap(),
            full_name: None,
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
    fn nobody_says_anything() {
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
