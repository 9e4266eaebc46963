//! A verified target → a disk that boots, with the install's log and the receipt on it.
//!
//! The order makes a power cut harmless at every point. Before the receipt is there, the disk does
//! not boot and is marked unfinished; from then on it is an installed disk, and what is
//! left of the rest is done now, or by [`super::completion`] when the ISO finds such a disk at its
//! next start.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::OFlags;
use rustix::mount::{UnmountFlags, mount_bind, unmount};

use super::boot_loader::Withheld;
use super::completion::erase_marker;
use super::loaders::{check_withheld, put_in_place, rename, withheld};
use super::target::Target;
use super::verify::written;
use super::{Attempt, TargetState, encryption, gc_roots, mounted};
use crate::command::{Cancelled, Runner};
use crate::disk::layout;
use crate::disk::receipt::{FILE, LOADERS, Receipt};
use crate::event::Event;

/// Where the ESP is reached when the rest is unmounted already.
pub(super) const ESP_PATH: &str = "/run/nixvm/esp";

/// Where the log is left on the target.
const LOG_FOLDER: &str = "var/log/nixvm";

/// The NVRAM entry's name.
const ENTRY: &str = "NixOS";

/// How long the new system's files may be in use before that is a failure.
const LOOKING_AROUND: Duration = Duration::from_secs(60);

/// Runs the step.
///
/// # Errors
/// Something can't be written, or the target can't be unmounted.
pub(super) async fn run(
    attempt: &Attempt,
    target: &Target,
    loaders: Withheld,
    receipt: &Receipt,
) -> Result<()> {
    let root = Path::new(layout::MOUNT_POINT);
    let esp = root.join(layout::ESP_MOUNT);
    for (path, bytes) in &loaders.files {
        write(&esp.join(withheld(path)), bytes)?;
    }
    gc_roots::relink(root)?;
    leave_log(&attempt.log, &root.join(LOG_FOLDER), &attempt.id)?;
    for path in mounted::paths(&attempt.manifest.layout) {
        written(attempt, &path).await?;
    }

    // Every other file system is clean on the disk before anything says that the install is complete.
    fs::create_dir_all(ESP_PATH).with_context(|| format!("cannot make {ESP_PATH}"))?;
    mount_bind(&esp, ESP_PATH).with_context(|| format!("cannot mount the ESP at {ESP_PATH}"))?;
    unmount_root(attempt).await?;
    let mappings = nixvm_manifest::layout::mappings(&attempt.manifest.layout);
    encryption::close(&attempt.runner, &mappings).await?;

    let esp = Path::new(ESP_PATH);
    check_loaders(esp, &loaders)?;
    check_withheld(esp)?;
    // From the receipt on the disk is an installed one: nothing cancels that any more.
    let runner = &attempt.runner.uncancellable();
    write_receipt(esp, receipt)?;
    attempt.target_state.set(TargetState::Installed);
    put_in_place(esp)?;
    unmount(ESP_PATH, UnmountFlags::empty()).context("cannot unmount the ESP")?;
    erase_marker(&mut target.open_for_writing(OFlags::empty())?, &target.node)?;
    if let Err(error) = boot_next(runner, &target.node, layout::ESP.number).await {
        attempt.publisher.publish(Event::Warning {
            message: format!(
                "The firmware's boot order could not be changed ({error:#}); the disk boots where \
                 the firmware tries it."
            ),
        });
    }
    if let Err(error) = super::target::remove_rule(runner).await {
        tracing::warn!("cannot remove the udev rule: {error:#}");
    }
    Ok(())
}

/// Unmounts all but the ESP's second mount; waits for a while if files are in use, by a shell say.
async fn unmount_root(attempt: &Attempt) -> Result<()> {
    let started = Instant::now();
    let mut warned = false;
    loop {
        let tool = attempt.runner.tool("umount").args(["--recursive", layout::MOUNT_POINT]);
        match tool.run().await {
            Ok(_) => return Ok(()),
            Err(error) if started.elapsed() > LOOKING_AROUND => {
                return Err(error).context("something uses the new system's files");
            }
            Err(error) if error.is::<Cancelled>() => return Err(error),
            Err(_) if !warned => {
                warned = true;
                let message = format!(
                    "Something uses files below {}: leave that folder in every shell.",
                    layout::MOUNT_POINT
                );
                attempt.publisher.publish(Event::Warning { message });
            }
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// Insists that what makes the disk boot is on the ESP, by another way than it was written.
fn check_loaders(esp: &Path, loaders: &Withheld) -> Result<()> {
    for (path, bytes) in &loaders.files {
        let path = esp.join(withheld(path));
        let found = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(found == *bytes, "{} is not what was written", path.display());
    }
    Ok(())
}

/// Makes the firmware boot this disk first, and next: the entry by its partition, so that it does not
/// matter where the disk is plugged in.
///
/// # Errors
/// There are no variables, or they can't be written.
pub(super) async fn boot_next(runner: &Runner, disk: &Path, partition: u32) -> Result<()> {
    let listed = runner.tool("efibootmgr").run().await?;
    for number in entries(&listed.stdout, ENTRY) {
        let tool = runner.tool("efibootmgr").args(["--quiet", "--delete-bootnum", "--bootnum"]);
        tool.arg(number).run().await?;
    }
    let loader = LOADERS
        .iter()
        .zip(["x86_64", "aarch64"])
        .find(|(_, architecture)| *architecture == std::env::consts::ARCH)
        .map(|(loader, _)| format!("\\{}", loader.replace('/', "\\")))
        .context("no boot loader is known for this architecture")?;
    let created = runner
        .tool("efibootmgr")
        .arg("--create")
        .arg("--disk")
        .arg(disk)
        .args(["--part", &partition.to_string(), "--label", ENTRY, "--loader", &loader])
        .run()
        .await?;
    let numbers = entries(&created.stdout, ENTRY);
    let Some(number) = numbers.first() else { bail!("efibootmgr made no entry") };
    runner.tool("efibootmgr").args(["--quiet", "--bootnext", number]).run().await?;
    Ok(())
}

/// Numbers of the boot entries of this name, out of efibootmgr's listing: `Boot0003* NixOS\tHD(...)`.
fn entries(listing: &str, name: &str) -> Vec<String> {
    listing
        .lines()
        .filter_map(|line| {
            let (number, rest) = line.strip_prefix("Boot")?.split_at_checked(4)?;
            let rest = rest.trim_start_matches('*').trim_start();
            let label = rest.split('\t').next()?.trim();
            let is_number = number.bytes().all(|byte| byte.is_ascii_hexdigit());
            (is_number && label == name).then(|| number.to_owned())
        })
        .collect()
}

fn leave_log(log: &Path, folder: &Path, attempt: &str) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let about = || format!("cannot leave the log in {}", folder.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(about)?;
    let mut to = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(folder.join(format!("install-{attempt}.log")))
        .with_context(about)?;
    let mut from = File::open(log).with_context(|| format!("cannot read {}", log.display()))?;
    std::io::copy(&mut from, &mut to).with_context(about)?;
    to.sync_all().with_context(about)
}

fn write_receipt(esp: &Path, receipt: &Receipt) -> Result<()> {
    let path = esp.join(FILE);
    let fresh = path.with_extension("tmp");
    write(&fresh, serde_json::to_string_pretty(receipt)?.as_bytes())?;
    rename(&fresh, &path)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let about = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(about)?;
    }
    let mut file = File::create(path).with_context(about)?;
    file.write_all(bytes).with_context(about)?;
    file.sync_all().with_context(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_entries_of_exactly_this_name_are_ours() {
        let listing = "BootCurrent: 0001\nTimeout: 0 seconds\nBootOrder: 0001,0000\n\
            Boot0000* UiApp\tFvVol(x)\nBoot0001* NixOS\tHD(1,GPT,x)/File(y)\n\
            Boot000A  NixOS\tHD(2)\nBoot0003* NixOS old\tHD(3)\nBootNext: 0001\n";
        assert_eq!(entries(listing, "NixOS"), ["0001", "000A"]);
    }

    #[test]
    fn a_receipt_is_whole_or_not_there() {
        let esp = tempfile::tempdir().unwrap();
        let receipt = Receipt { hostname: "h".into(), ..Receipt::default() };
        write_receipt(esp.path(), &receipt).unwrap();
        let text = fs::read_to_string(esp.path().join(FILE)).unwrap();
        assert_eq!(serde_json::from_str::<Receipt>(&text).unwrap(), receipt);
        assert_eq!(fs::read_dir(esp.path().join("EFI/nixvm")).unwrap().count(), 1);
    }
}
