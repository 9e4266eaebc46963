//! [`Source`]: where a value comes from, and which source wins.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use strum::Display;

/// Where answers come from; the earlier in this list, the higher the precedence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Source {
    /// The screen or the D-Bus method `SetAnswers`: said in this run.
    Request,
    /// A file named on a command line: `check-answers`, `validate`.
    File {
        /// As it was named.
        path: PathBuf,
    },
    /// `nixvm.KEY=VALUE` on the kernel's command line.
    CommandLine,
    /// `nixvm.toml` on a volume labelled NIXVM.
    Volume {
        /// Device node, such as `/dev/sdb1`.
        device: String,
    },
    /// QEMU's fw_cfg, file `opt/org.nixvm/answers`.
    FirmwareConfig,
    /// VMware's variable `guestinfo.nixvm.answers`.
    Guestinfo,
    /// The system credential `nixvm.answers`, from SMBIOS type 11 as a rule.
    Credential,
    /// What the server sent that `answers.url` names, by HTTPS.
    Url {
        /// As it was given.
        url: String,
    },
    /// A file of cloud-init's NoCloud, on a volume labelled cidata.
    #[serde(rename = "nocloud")]
    NoCloud {
        /// Which of its files.
        path: NoCloudFile,
        /// Device node, such as `/dev/sr0`.
        device: String,
    },
    /// A credential that systemd itself defines, from SMBIOS type 11 or fw_cfg as a rule.
    SystemCredential {
        /// Its name, such as `firstboot.hostname`.
        #[serde(rename = "path")]
        name: String,
    },
    /// The answers area of the ISO.
    Iso,
    /// No source has the key: the manifest's or the built-in default.
    Default,
}

/// On which machines a source can take a question away that would be asked before a disk is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// On every machine: who controls the source controls what this machine starts.
    Everywhere,
    /// On a virtual machine, whose settings it belongs to. On a physical machine it may be a volume
    /// that was forgotten in it, or was meant for another one.
    VirtualMachine,
    /// On none: it answers for many machines, and does not see what is on the disk of this one.
    Nowhere,
}

/// A file of NoCloud that is read. As in cloud-init, `user-data` comes before `meta-data`; what
/// `network-config` says is in neither.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum NoCloudFile {
    /// Cloud-config.
    UserData,
    /// What the host says of the machine.
    MetaData,
    /// The machine's network.
    NetworkConfig,
}

impl Source {
    /// On which machines this source loosens consent: by `erase = "any"`, by the rule that selects the
    /// disk for it, by a shorter countdown.
    pub fn strength(&self) -> Strength {
        match self {
            Self::Request | Self::File { .. } | Self::CommandLine | Self::Iso | Self::Default => {
                Strength::Everywhere
            }
            Self::Volume { .. }
            | Self::FirmwareConfig
            | Self::Guestinfo
            | Self::Credential
            | Self::NoCloud { .. }
            | Self::SystemCredential { .. } => Strength::VirtualMachine,
            Self::Url { .. } => Strength::Nowhere,
        }
    }

    /// Position in the order of precedence, 0 being the highest.
    ///
    /// Two sources with the same rank, such as two volumes, must not both be given, except for
    /// credentials of systemd, each of which says one thing.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Request => 0,
            Self::File { .. } => 1,
            Self::CommandLine => 2,
            Self::Volume { .. } => 3,
            Self::FirmwareConfig => 4,
            Self::Guestinfo => 5,
            Self::Credential => 6,
            Self::Url { .. } => 7,
            Self::NoCloud { path: NoCloudFile::UserData, .. } => 8,
            Self::NoCloud { path: NoCloudFile::MetaData, .. } => 9,
            Self::NoCloud { path: NoCloudFile::NetworkConfig, .. } => 10,
            Self::SystemCredential { .. } => 11,
            Self::Iso => 12,
            Self::Default => 13,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request => f.write_str("asked for in this run"),
            Self::File { path } => write!(f, "{}", path.display()),
            Self::CommandLine => f.write_str("kernel command line"),
            Self::Volume { device } => write!(f, "nixvm.toml on {device}"),
            Self::FirmwareConfig => f.write_str("QEMU fw_cfg"),
            Self::Guestinfo => f.write_str("VMware guestinfo"),
            Self::Credential => f.write_str("system credential"),
            Self::Url { url } => f.write_str(url),
            Self::NoCloud { path, device } => write!(f, "{path} on {device}"),
            Self::SystemCredential { name } => write!(f, "system credential {name}"),
            Self::Iso => f.write_str("this installer"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value that remembers where it came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sourced<T> {
    /// What was said.
    pub value: T,
    /// Who said it.
    pub source: Source,
}
