//! The chosen disk, held while it is written to, and the name that disko's script knows it by.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::OFlags;

use crate::command::Runner;
use crate::disk::identity::Identity;
use crate::disk::layout;
use crate::disk::probe;

/// The udev rule, written while an install runs.
const RULE: &str = "/run/udev/rules.d/99-nixvm-target.rules";

/// The chosen disk.
///
/// The device file is kept open: as long as it is, the kernel gives its number and name to no other
/// disk, so a disk that is pulled and replaced can't be taken for the one that was consented to.
pub(super) struct Target {
    /// The device file.
    pub(super) node: PathBuf,
    /// Its sysfs folder.
    pub(super) sysfs: PathBuf,
    /// Major and minor number.
    pub(super) number: (u32, u32),
    /// Size in bytes.
    pub(super) size_bytes: u64,
    /// The kernel's serial number of this appearance of the disk.
    diskseq: Option<u64>,
    _open: File,
}

impl Target {
    /// Opens the disk and checks that it is the one of `identity`, in every respect.
    ///
    /// # Errors
    /// It is gone, another one, or not as it was when it was consented to.
    pub(super) fn open(identity: &Identity) -> Result<Self> {
        Self::examined(identity, || probe::current_digest(&identity.node, identity.size_bytes))
    }

    /// The same for a disk whose contents may have changed: everything but the digest is checked.
    ///
    /// # Errors
    /// It is gone, or another one.
    pub(super) fn hold(identity: &Identity) -> Result<Self> {
        Self::examined(identity, || Ok(identity.digest.clone()))
    }

    fn examined(identity: &Identity, digest: impl FnOnce() -> Result<String>) -> Result<Self> {
        let node = &identity.node;
        let about = || format!("cannot open the target disk {}", node.display());
        let file = File::open(node).with_context(about)?;
        let number = file.metadata().with_context(about)?.rdev();
        let number = (rustix::fs::major(number), rustix::fs::minor(number));
        let sysfs = PathBuf::from(format!("/sys/dev/block/{}:{}", number.0, number.1));
        let attribute = |name: &str| read(&sysfs.join(name));
        let now = Identity {
            node: node.clone(),
            diskseq: attribute("diskseq").and_then(|text| text.parse().ok()),
            number,
            size_bytes: attribute("size")
                .and_then(|text| text.parse::<u64>().ok())
                .context("the target disk has no size any more")?
                .saturating_mul(512),
            digest: digest()?,
            // These come from udev's database, which diskseq makes superfluous: the kernel gives it
            // to one appearance of one disk only.
            id_path: identity.id_path.clone(),
            serial: identity.serial.clone(),
            wwn: identity.wwn.clone(),
        };
        let differences = identity.differences(&now);
        ensure!(
            differences.is_empty(),
            "{} is no longer the disk that was shown: {}. Nothing was written to it",
            node.display(),
            differences.join("; ")
        );
        let (size_bytes, diskseq) = (now.size_bytes, now.diskseq);
        Ok(Self { node: node.clone(), sysfs, number, size_bytes, diskseq, _open: file })
    }

    /// Opens the disk to be written to, with more flags of open(2).
    ///
    /// Not every driver keeps a number for as long as the disk that had it is open: what was opened has
    /// to be this appearance of it.
    ///
    /// # Errors
    /// It is gone, another one, or can't be opened.
    pub(super) fn open_for_writing(&self, flags: OFlags) -> Result<File> {
        let about = || format!("cannot open {} for writing", self.node.display());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags.bits().cast_signed())
            .open(&self.node)
            .with_context(about)?;
        let number = file.metadata().with_context(about)?.rdev();
        let number = (rustix::fs::major(number), rustix::fs::minor(number));
        let diskseq = read(&self.sysfs.join("diskseq")).and_then(|text| text.parse().ok());
        ensure!(
            (number, diskseq) == (self.number, self.diskseq),
            "{} is another disk by now: nothing more is written",
            self.node.display()
        );
        Ok(file)
    }

    /// Whether a device of this number is a partition of the target.
    pub(super) fn has_partition(&self, number: (u32, u32)) -> bool {
        let parent = format!("/sys/dev/block/{}:{}/../dev", number.0, number.1);
        read(Path::new(&parent)) == Some(format!("{}:{}", self.number.0, self.number.1))
    }

    /// Gives the disk its fixed name, and its partitions precedence over any other disk's wherever
    /// udev makes links by label; waits until the link is there and leads to this disk.
    ///
    /// # Errors
    /// udev does not follow, or the link leads elsewhere.
    pub(super) async fn install_rule(&self, runner: &Runner) -> Result<()> {
        let diskseq =
            read(&self.sysfs.join("diskseq")).context("the target disk has no diskseq")?;
        let rule = Path::new(RULE);
        if let Some(folder) = rule.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        std::fs::write(rule, rule_text(&diskseq))
            .with_context(|| format!("cannot write {RULE}"))?;
        reload(runner).await?;
        let leads_to = std::fs::canonicalize(layout::TARGET_LINK)
            .with_context(|| format!("udev made no link {}", layout::TARGET_LINK))?;
        if leads_to != self.node {
            bail!(
                "{} leads to {} and not to {}",
                layout::TARGET_LINK,
                leads_to.display(),
                self.node.display()
            );
        }
        Ok(())
    }
}

/// udev rules for the disk of this sequence number: names would not do, a disk can lose its name to
/// another one.
fn rule_text(diskseq: &str) -> String {
    let link = layout::TARGET_LINK.trim_start_matches("/dev/");
    format!(
        "SUBSYSTEM==\"block\", ENV{{DEVTYPE}}==\"disk\", ATTR{{diskseq}}==\"{diskseq}\", \
         SYMLINK+=\"{link}\", OPTIONS+=\"link_priority=1000\"\n\
         SUBSYSTEM==\"block\", ENV{{DEVTYPE}}==\"partition\", ATTRS{{diskseq}}==\"{diskseq}\", \
         SYMLINK+=\"{link}-part%n\", OPTIONS+=\"link_priority=1000\"\n"
    )
}

/// Takes the fixed name away.
///
/// # Errors
/// udev does not follow.
pub(super) async fn remove_rule(runner: &Runner) -> Result<()> {
    match std::fs::remove_file(RULE) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot remove {RULE}")),
        Ok(()) => reload(runner).await,
    }
}

/// How long udev may take with all disks, where it is triggered to process them again.
const TRIGGER: Duration = Duration::from_secs(60);

async fn reload(runner: &Runner) -> Result<()> {
    runner.tool("udevadm").args(["control", "--reload"]).run().await?;
    let trigger = runner.tool("udevadm").args(["trigger", "--subsystem-match=block", "--settle"]);
    // It waits for each device that it has triggered, for ever if one is taken away meanwhile
    // (<https://github.com/systemd/systemd/pull/38345>); what follows waits for the rest.
    match tokio::time::timeout(TRIGGER, trigger.run()).await {
        Ok(triggered) => _ = triggered?,
        Err(_) => runner.note("udevadm trigger waits for a device that is gone"),
    }
    settle(runner).await
}

/// Waits until udev has dealt with everything that it knows of.
///
/// # Errors
/// It has not after two minutes, or the runner was cancelled.
pub(super) async fn settle(runner: &Runner) -> Result<()> {
    runner.tool("udevadm").args(["settle", "--timeout=120"]).run().await?;
    Ok(())
}

fn read(attribute: &Path) -> Option<String> {
    std::fs::read_to_string(attribute).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_names_the_disk_by_its_sequence_number() {
        let text = rule_text("7");
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| line.contains("diskseq}==\"7\"")));
        assert!(text.contains("SYMLINK+=\"nixvm-target-part%n\""));
    }

    #[test]
    fn a_disk_that_is_gone_is_an_error_that_names_it() {
        let identity = Identity::of(&crate::disk::examples::disk("no-such-disk"));
        for error in [Target::open(&identity).err(), Target::hold(&identity).err()] {
            assert_eq!(error.unwrap().to_string(), "cannot open the target disk /dev/no-such-disk");
        }
    }
}
