//! The table of answers keys, and what follows from it: [`Answers`], [`Resolved`], [`KEYS`].
//!
//! A key is declared once, here. Its name, type, documentation, label on the screen, default,
//! secrecy and option of `nixvm-iso` are the row's columns; how a value is written and shown is its
//! type's ([`crate::form`]). All keys are merged alike: the source of the highest precedence which
//! has the key decides its whole value, so that no list and no disk rule is put together from two.

use schemars::JsonSchema;
use serde::Serialize;

use crate::account::{FullName, Username};
use crate::answers::{Countdown, Erase, Finish, Network};
use crate::disk::{DiskForms, DiskRule};
use crate::first_boot::{FirstBoot, FirstBootForms};
use crate::form::{Form, Misplaced, Parameter, Toml, Written, unknown};
use crate::hostname::Hostname;
use crate::keymap::Keymap;
use crate::locale::Locale;
use crate::network::{NetworkForms, NetworkSettings};
use crate::password::PasswordHash;
use crate::proxy::Proxy;
use crate::resolve::{Baselines, Defaults, Ignored, SourceAnswers};
use crate::server::{Server, ServerForms};
use crate::source::{Source, Sourced};
use crate::ssh::AuthorizedKey;
use crate::timezone::Timezone;
use crate::value::Invalid;

/// What the table says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// As it is written in a document, and after `nixvm.` on the kernel's command line.
    pub name: &'static str,
    /// As the installer's screen calls it.
    pub label: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// Its value is never shown in clear, and refused on the kernel's command line.
    pub secret: bool,
    /// The name of the value of `nixvm-iso customize --NAME VALUE`, if there is such an option.
    pub option: Option<&'static str>,
    /// What may be written; empty if that is not a short list.
    pub choices: &'static [&'static str],
    /// The keys of its table, for a value that has parts.
    pub parts: &'static [&'static str],
}

/// Words that no key may have, because they mean something beside the answers: the format's version,
/// the switch of the installer, cloud-init's source, the interface.
pub const RESERVED: [&str; 4] = ["version", "installer", "nocloud", "ui"];

/// The version of the format. A document may name it, with `version = 1`.
pub const VERSION: u32 = 1;

/// Why `key`, which is not in the table, is refused; `prefix` is written before each key.
pub(crate) fn refuse(prefix: &str, key: &str) -> Invalid {
    match key.split('.').next() {
        Some("installer") => Invalid::new("\"installer\" is not an answer")
            .hint("write nixvm.installer=no on the kernel's command line"),
        Some("nocloud") => Invalid::new("\"nocloud\" is not an answer")
            .hint("write nixvm.nocloud=no on the kernel's command line"),
        Some("ui") => Invalid::new("\"ui\" is not an answer")
            .hint("write nixvm.ui=plain on the kernel's command line"),
        _ => unknown("key", prefix, key, &Answers::KEYS),
    }
}

/// Checks that answers of version `version` can be read.
pub(crate) fn check_version(version: Option<u32>) -> Result<(), Invalid> {
    if version == Some(VERSION) {
        return Ok(());
    }
    Err(Invalid::new("these answers are of another version")
        .hint(format!("this nixvm reads version {VERSION}: write version = {VERSION}")))
}

/// The key called `name`.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// One answer as a screen or a terminal shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The key.
    pub key: &'static str,
    /// What the screen calls it.
    pub label: &'static str,
    /// The value in words; a secret is not shown.
    pub value: String,
    /// Where the value comes from.
    pub source: Source,
}

/// Makes the code of a row's `default` (there always is a value) or `optional`.
macro_rules! resolved {
    (type default $type:ty) => { Sourced<$type> };
    (type optional $type:ty) => { Option<Sourced<$type>> };
    (value default $given:expr, $default:expr) => {
        $given.unwrap_or_else(|| Sourced { value: $default, source: Source::Default })
    };
    (value optional $given:expr, $default:expr) => {
        $given.or_else(|| $default.map(|value| Sourced { value, source: Source::Default }))
    };
    (row default $sourced:expr) => { Some(&$sourced) };
    (row optional $sourced:expr) => { $sourced.as_ref() };
}

macro_rules! keys {
    ($(
        $(#[doc = $doc:literal])+
        $(#[schemars($($schema:tt)*)])?
        $field:ident: $type:ty {
            name: $name:literal,
            label: $label:literal,
            $presence:ident: |$iso:tt| $default:expr,
            secret: $secret:literal,
            option: $option:expr,
        }
    )+) => {
        /// All keys, in the order in which they are shown.
        pub const KEYS: &[Key] = &[$(Key {
            name: $name,
            label: $label,
            doc: concat!($($doc),+).trim_ascii(),
            secret: $secret,
            option: $option,
            choices: <$type as Form>::CHOICES,
            parts: <$type as Form>::PARTS,
        }),+];

        /// The answers of one source. What it leaves out, the next source may give, and the
        /// defaults at last.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(title = "nixvm answers", description = "What nixvm needs to know to install unattended.")]
        pub struct Answers {$(
            $(#[doc = $doc])+
            #[serde(rename = $name, skip_serializing_if = "Option::is_none")]
            $(#[schemars($($schema)*)])?
            pub $field: Option<$type>,
        )+}

        /// The answers to install by, each with the source that decided it.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        pub struct Resolved {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $name)]
                pub $field: resolved!(type $presence $type),
            )+
            /// What decides about consent where not every source counts.
            #[serde(skip)]
            pub baselines: Baselines,
            /// What the sources say beyond the keys, highest precedence first.
            #[serde(skip)]
            pub ignored: Vec<Ignored>,
        }

        impl Answers {
            /// The keys' names, in the order in which they are shown.
            pub const KEYS: [&str; KEYS.len()] = [$($name),+];

            /// These answers, and `other`'s for the keys that these leave out.
            #[must_use]
            pub fn or(self, other: Self) -> Self {
                Self {$($field: self.$field.or(other.$field),)+}
            }

            /// These answers without secrets, and the names of those that were there.
            pub fn without_secrets(&self) -> (Self, Vec<&'static str>) {
                let mut shown = self.clone();
                let mut secrets = Vec::new();
                $(if $secret && shown.$field.take().is_some() {
                    secrets.push($name);
                })+
                (shown, secrets)
            }

            /// The keys that are given, with their values as a document has them, secrets included.
            pub fn written(&self) -> Vec<(&'static str, Written)> {
                let all = [$(self.$field.as_ref().map(|value| ($name, value.written())),)+];
                all.into_iter().flatten().collect()
            }

            /// Sets `key` from text: the whole value as a command line gives it.
            ///
            /// # Errors
            /// There is no such key, or the value is refused.
            pub fn set(&mut self, key: &str, text: &str) -> Result<(), Invalid> {
                match key {
                    $($name => self.$field = Some(<$type as Form>::from_text(text)?),)+
                    _ => return Err(refuse("", key)),
                }
                Ok(())
            }

            /// Reads the value of `key`, which is one of [`KEYS`], from a document.
            pub(crate) fn read(&mut self, key: &str, value: &Toml<'_>) -> Result<(), Vec<Misplaced>> {
                match key {
                    $($name => self.$field = Some(<$type as Form>::from_toml($name, value)?),)+
                    _ => {}
                }
                Ok(())
            }

            /// Reads the value of `key`, which is one of [`KEYS`], from its kernel parameters.
            pub(crate) fn read_parameters(
                &mut self,
                key: &str,
                parameters: &[Parameter<'_>],
            ) -> Result<(), Vec<Invalid>> {
                match key {
                    $($name => self.$field = Some(<$type as Form>::from_parameters(parameters)?),)+
                    _ => {}
                }
                Ok(())
            }
        }

        impl Resolved {
            /// The first of the sources `given` that has a key decides it; `iso` decides the rest.
            pub(crate) fn from_sorted(given: &[SourceAnswers], iso: &Defaults) -> Self {
                Self {
                    $($field: resolved!(
                        value $presence
                        first(given, |answers| &answers.$field),
                        { let $iso = iso; $default }
                    ),)+
                    baselines: Baselines::default(),
                    ignored: ignored(given),
                }
            }

            /// The answers in the order of [`KEYS`], without those that no source gives and that
            /// have no default.
            pub fn rows(&self) -> Vec<Row> {
                let all = [$(row($name, $label, resolved!(row $presence self.$field)),)+];
                all.into_iter().flatten().collect()
            }
        }
    };
}

keys! {
    /// The installed system's host name, without a domain.
    hostname: Hostname {
        name: "hostname",
        label: "Host name",
        default: |iso| iso.hostname.clone(),
        secret: false,
        option: Some("NAME"),
    }
    /// Login name of the account.
    username: Username {
        name: "username",
        label: "User name",
        default: |iso| iso.username.clone(),
        secret: false,
        option: Some("NAME"),
    }
    /// Full name of the account's owner.
    full_name: FullName {
        name: "full-name",
        label: "Full name",
        optional: |iso| iso.full_name.clone(),
        secret: false,
        option: Some("NAME"),
    }
    /// The account's password as `mkpasswd` writes it; asked for on the screen if left out.
    password_hash: PasswordHash {
        name: "password-hash",
        label: "Password",
        optional: |_| None,
        secret: true,
        // `--password`, `--password-hash` and `--password-hash-file` set it.
        option: None,
    }
    /// Public keys that may log in to the account.
    ssh_authorized_keys: Vec<AuthorizedKey> {
        name: "ssh-authorized-keys",
        label: "SSH keys",
        default: |_| Vec::new(),
        secret: false,
        // `--ssh-key` reads them from files.
        option: None,
    }
    /// Public keys that may log in as root to the live system, by SSH, while it installs.
    live_ssh_authorized_keys: Vec<AuthorizedKey> {
        name: "live-ssh-authorized-keys",
        label: "Live keys",
        default: |_| Vec::new(),
        secret: false,
        // `--live-ssh-key` reads them from files.
        option: None,
    }
    /// The keyboard's keymap, by kbd's names, as `localectl list-keymaps` shows them.
    keymap: Keymap {
        name: "keymap",
        label: "Keyboard",
        optional: |iso| iso.keymap.clone(),
        secret: false,
        option: Some("NAME"),
    }
    /// Language and formats, by glibc's names, such as `de_DE.UTF-8`.
    locale: Locale {
        name: "locale",
        label: "Language",
        optional: |iso| iso.locale.clone(),
        secret: false,
        option: Some("NAME"),
    }
    /// The time zone, by tzdata's names, such as `Europe/Berlin`.
    timezone: Timezone {
        name: "timezone",
        label: "Time zone",
        optional: |iso| iso.timezone.clone(),
        secret: false,
        option: Some("ZONE"),
    }
    /// The HTTP proxy for downloads, in the installer and in the installed system: `http://HOST:PORT`.
    proxy: Proxy {
        name: "proxy",
        label: "Proxy",
        optional: |iso| iso.proxy.clone(),
        secret: false,
        option: Some("URL"),
    }
    /// Which disk to install on; needed if there are several.
    #[schemars(with = "Option<DiskForms>")]
    disk: DiskRule {
        name: "disk",
        label: "Disk rule",
        optional: |_| None,
        secret: false,
        option: Some("RULE"),
    }
    /// When a disk may be erased without asking.
    erase: Erase {
        name: "erase",
        label: "May erase",
        default: |_| Erase::Blank,
        secret: false,
        option: Some("WHEN"),
    }
    /// Seconds between showing the plan and the first write.
    countdown: Countdown {
        name: "countdown",
        label: "Countdown",
        default: |iso| iso.countdown,
        secret: false,
        option: Some("SECONDS"),
    }
    /// What to do after the install.
    finish: Finish {
        name: "finish",
        label: "At the end",
        default: |_| Finish::Reboot,
        secret: false,
        option: Some("HOW"),
    }
    /// How the install uses the network, and the addresses of adapters that are not left to DHCP.
    #[schemars(with = "Option<NetworkForms>")]
    network: NetworkSettings {
        name: "network",
        label: "Network",
        default: |_| Network::Auto.into(),
        secret: false,
        option: Some("SETTINGS"),
    }
    /// What the installed system does once, after its first start.
    #[schemars(with = "Option<FirstBootForms>")]
    first_boot: FirstBoot {
        name: "first-boot",
        label: "First boot",
        optional: |_| None,
        secret: true,
        // `--first-boot-script` reads it from a file.
        option: None,
    }
    /// Where to fetch further answers from, by HTTPS.
    #[schemars(with = "Option<ServerForms>")]
    server: Server {
        name: "answers",
        label: "Answers",
        optional: |_| None,
        secret: false,
        // `--answers-url` and `--answers-fingerprint` set it.
        option: None,
    }
    /// Where to send word of how the install ended, by HTTPS.
    #[schemars(with = "Option<ServerForms>")]
    webhook: Server {
        name: "webhook",
        label: "Webhook",
        optional: |_| None,
        secret: false,
        // `--webhook-url` and `--webhook-fingerprint` set it.
        option: None,
    }
}

/// The value of the first source that has one.
fn first<T: Clone>(
    given: &[SourceAnswers],
    value: impl Fn(&Answers) -> &Option<T>,
) -> Option<Sourced<T>> {
    given.iter().find_map(|one| {
        let value = value(&one.answers).clone()?;
        Some(Sourced { value, source: one.source.clone() })
    })
}

/// What the sources say beyond the keys.
fn ignored(given: &[SourceAnswers]) -> Vec<Ignored> {
    let saying = given.iter().filter(|one| !one.ignored.is_empty());
    saying.map(|one| Ignored { source: one.source.clone(), keys: one.ignored.clone() }).collect()
}

fn row<T: Form>(
    key: &'static str,
    label: &'static str,
    sourced: Option<&Sourced<T>>,
) -> Option<Row> {
    let Sourced { value, source } = sourced?;
    Some(Row { key, label, value: value.shown()?, source: source.clone() })
}
