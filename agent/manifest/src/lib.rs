//! `/etc/nixvm/manifest.json` → [`Manifest`]: what this ISO carries.
//!
//! The ISO's build writes the file: `iso/manifest.nix` for the real one, the rehearsal lab for its
//! stand-in. Everything in which two ISOs may differ is in here or in the tools on PATH.

pub mod layout;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nixvm_answers::answers::Countdown;
use nixvm_answers::{Invalid, resolve};
use serde::{Deserialize, Serialize};

pub use layout::LayoutPartition;

/// Where an ISO keeps its manifest.
pub const PATH: &str = "/etc/nixvm/manifest.json";

/// The format's version that this agent reads; another one is refused.
pub const VERSION: u32 = 1;

/// What the ISO carries, and what it installs unless answers say otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// [`VERSION`] of the format.
    pub version: u32,
    /// Names this build in receipts, logs and on the screen.
    pub build_id: String,
    /// The Nix system that the ISO is for: `x86_64-linux` or `aarch64-linux`.
    pub system: String,
    /// The flake's sources, copied to `/etc/nixos` on the target.
    pub flake: PathBuf,
    /// Attribute under `nixosConfigurations` that the target is.
    pub flake_attribute: String,
    /// Folder inside the flake where `disk-device.nix`, `host.nix` and
    /// `hardware-configuration.nix` are written.
    pub host_directory: PathBuf,
    /// Values for what no answer says.
    pub defaults: Defaults,
    /// Store path of the system that the ISO carries built, for exactly [`Manifest::defaults`].
    /// None: every install builds the flake.
    pub toplevel: Option<PathBuf>,
    /// closureInfo's `registration` file of that system, as `nix-store --load-db` reads it.
    pub registration: Option<PathBuf>,
    /// Where the live system has mounted the squashfs image that holds the closure. The agent reads
    /// that image without the kernel's mount of it.
    #[serde(default)]
    pub store_mount: Option<PathBuf>,
    /// disko's script: destroys, partitions, formats and mounts `/dev/nixvm-target` at `/mnt`.
    pub disko_script: PathBuf,
    /// The partitions that the script makes, in order.
    #[serde(default = "layout::own")]
    pub layout: Vec<LayoutPartition>,
    /// A smaller disk is not considered. Bytes.
    pub minimum_disk_bytes: u64,
    /// With less memory the install is refused. Bytes.
    pub minimum_memory_bytes: u64,
    /// With less memory an install is refused that has to evaluate and build the flake. Bytes.
    #[serde(default)]
    pub minimum_build_memory_bytes: u64,
    /// The system is logged in to on a graphical screen, which can't ask for a new password: SDDM says
    /// only that the login failed (<https://github.com/sddm/sddm/issues/716>).
    #[serde(default)]
    pub graphical_login: bool,
    /// The installed system has NetworkManager, which reads the answers' addresses.
    #[serde(default)]
    pub network_manager: bool,
    /// The installed system has the unit that runs the answers' script for the first boot.
    #[serde(default)]
    pub first_boot: bool,
    /// Where the installed system's sshd has its Ed25519 host key; none if it has no such key.
    #[serde(default)]
    pub ssh_host_key: Option<PathBuf>,
    /// The ISO's volume label: a disk that has it may be the medium of the live system, also where
    /// that runs from memory.
    #[serde(default)]
    pub volume_label: Option<String>,
    /// NixOS's release that is installed, as `system.nixos.release` has it: `26.05`. For the screen.
    #[serde(default)]
    pub nixos_release: Option<String>,
    /// What is installed beside NixOS, in a word or two: `Plasma 6`. For the screen.
    #[serde(default)]
    pub edition: Option<String>,
}

/// Values for what no answer says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Defaults {
    /// Host name that the baked system has.
    pub hostname: String,
    /// Login name of the account that the baked system has.
    pub username: String,
    /// Full name of that account's owner; empty if it has none.
    #[serde(default)]
    pub full_name: String,
    /// Keymap of the baked system; none if the flake takes none from `host.nix`.
    #[serde(default)]
    pub keymap: Option<String>,
    /// Locale of the baked system; none if the flake takes none from `host.nix`.
    #[serde(default)]
    pub locale: Option<String>,
    /// Time zone that is part of the baked system; none if `/etc/localtime` is the machine's own.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Proxy of the baked system; none if it has none, or if the flake takes none from `host.nix`.
    #[serde(default)]
    pub proxy: Option<String>,
    /// Seconds between showing the plan and the first write.
    pub countdown: u32,
}

impl Manifest {
    /// The defaults as answers.
    ///
    /// # Errors
    /// They would not be accepted as answers; [`parse`] refuses such a manifest.
    ///
    /// ```
    /// let text = include_str!("../fixtures/manifest.json");
    /// let defaults = nixvm_manifest::parse(text)?.answer_defaults()?;
    /// let answers = nixvm_answers::resolve([], defaults)?;
    /// assert_eq!(answers.hostname.value.as_str(), "nixvm");
    /// assert_eq!(answers.hostname.source, nixvm_answers::Source::Default);
    /// # Ok::<(), anyhow::Error>(())
    /// ```
    pub fn answer_defaults(&self) -> Result<resolve::Defaults, Invalid> {
        Ok(resolve::Defaults {
            hostname: self.defaults.hostname.parse()?,
            username: self.defaults.username.parse()?,
            full_name: match self.defaults.full_name.as_str() {
                "" => None,
                name => Some(name.parse()?),
            },
            // A system may have one of its own, which no list knows and no answer repeats.
            keymap: known(&self.defaults.keymap),
            locale: known(&self.defaults.locale),
            timezone: known(&self.defaults.timezone),
            proxy: known(&self.defaults.proxy),
            countdown: Countdown::from_seconds(i64::from(self.defaults.countdown))?,
        })
    }
}

fn known<T: std::str::FromStr>(name: &Option<String>) -> Option<T> {
    name.as_deref().and_then(|name| name.parse().ok())
}

/// Reads the manifest at `path`.
///
/// # Errors
/// The file can't be read, is not of this format and version, or contradicts itself.
pub fn read(path: &Path) -> Result<Manifest> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the installer's manifest {}", path.display()))?;
    parse(&text).with_context(|| format!("the installer's manifest {} is unusable", path.display()))
}

/// Parses and checks a manifest's text.
///
/// # Errors
/// As [`read`].
///
/// ```
/// let text = include_str!("../fixtures/manifest.json");
/// let manifest = nixvm_manifest::parse(text)?;
/// assert_eq!(manifest.version, nixvm_manifest::VERSION);
///
/// let later = text.replace("\"version\": 1", "\"version\": 2");
/// let error = nixvm_manifest::parse(&later).unwrap_err();
/// assert_eq!(error.to_string(), "it is of version 2, and this agent reads version 1");
/// # Ok::<(), anyhow::Error>(())
/// ```
pub fn parse(text: &str) -> Result<Manifest> {
    let version = serde_json::from_str::<Versioned>(text).context("it is not JSON of this kind")?;
    if version.version != VERSION {
        bail!("it is of version {}, and this agent reads version {VERSION}", version.version);
    }
    let manifest: Manifest = serde_json::from_str(text)?;
    if manifest.toplevel.is_some() != manifest.registration.is_some() {
        bail!("toplevel and registration must be given together");
    }
    if let Some(path) = &manifest.toplevel
        && !path.starts_with("/nix/store")
    {
        bail!("toplevel is not a store path: {}", path.display());
    }
    let folder = &manifest.host_directory;
    if folder.is_absolute() || folder.components().any(|part| part.as_os_str() == "..") {
        bail!("host-directory leaves the flake: {}", folder.display());
    }
    layout::check(&manifest.layout).context("its layout is not one that can be installed")?;
    manifest
        .answer_defaults()
        .map_err(|invalid| anyhow::anyhow!("its defaults are no answers: {}", invalid.message))?;
    Ok(manifest)
}

/// The one field that every version of the format has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../fixtures/manifest.json");

    fn with(change: impl FnOnce(&mut serde_json::Value)) -> Result<Manifest> {
        let mut value = serde_json::from_str(EXAMPLE).unwrap();
        change(&mut value);
        parse(&value.to_string())
    }

    #[test]
    fn example_is_read_and_written_alike() {
        let manifest = parse(EXAMPLE).unwrap();
        assert_eq!(manifest.defaults.hostname, "nixvm");
        assert_eq!(manifest.answer_defaults().unwrap().full_name, None);
        assert_eq!(parse(&serde_json::to_string(&manifest).unwrap()).unwrap(), manifest);
    }

    #[test]
    fn other_version_is_named() {
        let error = with(|m| m["version"] = 2.into()).unwrap_err().to_string();
        assert_eq!(error, "it is of version 2, and this agent reads version 1");
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(with(|m| m["registration"] = serde_json::Value::Null).is_err());
        assert!(with(|m| m["toplevel"] = "/etc".into()).is_err());
        assert!(with(|m| m["host-directory"] = "../etc".into()).is_err());
        assert!(with(|m| m["defaults"]["username"] = "root".into()).is_err());
        assert!(with(|m| m["defaults"]["full-name"] = "a:b".into()).is_err());
        assert!(with(|m| m["hots-directory"] = "nix".into()).is_err());
        assert!(with(|m| m["layout"] = serde_json::json!([])).is_err());
    }
}
