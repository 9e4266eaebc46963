//! The target → the receipt, if everything that a boot needs is there.
//!
//! `nixos-install` has been seen to end well although its boot loader step had failed, so nothing is
//! taken from an exit status.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::blocking::blocking;
use super::boot_loader::Withheld;
use super::loaders::is_removable;
use super::target::Target;
use super::{Attempt, mounted};
use crate::disk::layout;
use crate::disk::mounts;
use crate::disk::probe;
use crate::disk::receipt::{self, Loader, Receipt};

/// Runs the step.
///
/// # Errors
/// Something is missing or is not what it should be.
pub(super) async fn run(
    attempt: &Attempt,
    target: &Target,
    toplevel: &Path,
    withheld: &Withheld,
) -> Result<Receipt> {
    let root = Path::new(layout::MOUNT_POINT);
    let esp = root.join(layout::ESP_MOUNT);
    let layout = &attempt.manifest.layout;
    mounted::check_layout(target, &mounts::table()?, layout)?;
    for path in mounted::paths(layout) {
        written(attempt, &path).await?;
    }

    let profile = root.join("nix/var/nix/profiles/system");
    let system = follow(root, &profile)?;
    ensure!(
        system == toplevel,
        "the system profile leads to {} and not to {}",
        system.display(),
        toplevel.display()
    );
    let system = root.join(toplevel.strip_prefix("/")?);
    ensure!(system.join("init").symlink_metadata().is_ok(), "the system has no init");

    let entry = default_entry(&esp)?;
    let init = format!("init={}/init", toplevel.display());
    ensure!(
        entry.options.split_whitespace().any(|word| word == init),
        "the default boot entry does not start {}",
        toplevel.display()
    );
    let kernel = follow(root, &system.join("kernel"))?;
    same_content(&esp.join(&entry.linux), &root.join(kernel.strip_prefix("/")?))?;
    // The boot loader's installation appends the secrets of a host that has some.
    let initrd = follow(root, &system.join("initrd"))?;
    begins_with(&esp.join(&entry.initrd), &root.join(initrd.strip_prefix("/")?))?;

    let loader = withheld.files.iter().find(|(path, _)| is_removable(path));
    let (path, bytes) = loader.context("no boot loader was installed on the removable path")?;
    ensure!(bytes.starts_with(b"MZ"), "the boot loader {} is no EFI program", path.display());

    Ok(Receipt {
        version: receipt::VERSION,
        build_id: attempt.manifest.build_id.clone(),
        attempt: attempt.id.clone(),
        hostname: attempt.plan.configuration.hostname.clone(),
        username: attempt.plan.configuration.username.clone(),
        toplevel: toplevel.display().to_string(),
        table_id: probe::table_id(&target.node)?,
        loader: Loader::InPlace,
    })
}

/// Waits until everything in a file system is on its disk.
///
/// # Errors
/// Something is not: a write that failed after its process had gone on is reported here (syncfs(2)),
/// and nowhere else. Or cancelled.
pub(super) async fn written(attempt: &Attempt, path: &Path) -> Result<()> {
    let path = path.to_owned();
    blocking(attempt.runner.cancellation(), move |_| {
        let lost =
            || format!("not everything that was written to {} is on the disk", path.display());
        let folder = File::open(&path).with_context(lost)?;
        rustix::fs::syncfs(folder).with_context(lost)
    })
    .await
}

/// Follows a link that is meant inside `root`, and those it leads to; returns a path inside.
fn follow(root: &Path, link: &Path) -> Result<PathBuf> {
    let mut at = link.to_owned();
    for _ in 0..32 {
        match fs::read_link(&at) {
            Ok(to) if to.is_absolute() => at = root.join(to.strip_prefix("/")?),
            Ok(to) => at = at.parent().unwrap_or(root).join(to),
            Err(_) => {
                ensure!(at.exists(), "{} leads to nothing", link.display());
                return Ok(Path::new("/").join(at.strip_prefix(root)?));
            }
        }
    }
    bail!("{} is a loop of links", link.display())
}

/// A Boot Loader Specification type 1 entry (uapi-group.org).
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    linux: PathBuf,
    initrd: PathBuf,
    options: String,
}

/// The entry that systemd-boot would start.
fn default_entry(esp: &Path) -> Result<Entry> {
    let read = |path: PathBuf| {
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let configuration = read(esp.join("loader/loader.conf"))?;
    let default = value(&configuration, "default").context("loader.conf names no default entry")?;
    // Without an entry of this system, NixOS's installer of the boot loader leaves it to a pattern.
    ensure!(
        !default.contains(['*', '@']),
        "loader.conf names no entry of this system, only {default:?}"
    );
    let text = read(esp.join("loader/entries").join(default))?;
    parse_entry(&text).with_context(|| format!("the boot entry {default} is incomplete"))
}

fn parse_entry(text: &str) -> Result<Entry> {
    let path = |key: &str| -> Result<PathBuf> {
        let value = value(text, key).with_context(|| format!("it has no {key}"))?;
        Ok(value.trim_start_matches('/').into())
    };
    Ok(Entry {
        linux: path("linux")?,
        initrd: path("initrd")?,
        options: value(text, "options").unwrap_or_default().to_owned(),
    })
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (found, value) = line.trim().split_once(char::is_whitespace)?;
        (found == key).then(|| value.trim())
    })
}

/// Insists that both files have the same bytes.
fn same_content(copy: &Path, original: &Path) -> Result<()> {
    let length = begins_with(copy, original)?;
    let is_whole = copy.metadata().is_ok_and(|found| found.len() == length);
    ensure!(is_whole, "{} is not what {} is", copy.display(), original.display());
    Ok(())
}

/// Insists that the copy begins with all bytes of the original; returns how many those are.
fn begins_with(copy: &Path, original: &Path) -> Result<u64> {
    let open =
        |path: &Path| File::open(path).with_context(|| format!("cannot read {}", path.display()));
    let (mut found, mut wanted) = (open(copy)?, open(original)?);
    // What is compared is what the disk says, not what memory remembers of it.
    rustix::fs::fadvise(&found, 0, None, rustix::fs::Advice::DontNeed)
        .with_context(|| format!("cannot read {} anew", copy.display()))?;
    let differs = || format!("{} is not what {} is", copy.display(), original.display());
    let (mut one, mut other) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut length = 0;
    loop {
        let count =
            wanted.read(&mut one).with_context(|| format!("cannot read {}", original.display()))?;
        if count == 0 {
            ensure!(length > 0, "{} is empty", original.display());
            return Ok(length);
        }
        found.read_exact(&mut other[..count]).with_context(differs)?;
        ensure!(one[..count] == other[..count], differs());
        length += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_and_one_without_a_kernel_is_not() {
        let text =
            "title x\nlinux  /EFI/nixos/k.efi\ninitrd /EFI/nixos/i.efi\noptions init=/x a b\n";
        let entry = parse_entry(text).unwrap();
        assert_eq!(entry.linux, Path::new("EFI/nixos/k.efi"));
        assert_eq!(entry.options, "init=/x a b");
        assert!(parse_entry("title x\ninitrd /i\n").is_err());
    }

    #[test]
    fn links_are_followed_inside_the_target() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir_all(root.join("nix/store/a")).unwrap();
        std::os::unix::fs::symlink("system-1-link", root.join("system")).unwrap();
        std::os::unix::fs::symlink("/nix/store/a", root.join("system-1-link")).unwrap();
        assert_eq!(follow(root, &root.join("system")).unwrap(), Path::new("/nix/store/a"));
        std::os::unix::fs::symlink("/nix/store/b", root.join("dangling")).unwrap();
        assert!(follow(root, &root.join("dangling")).is_err());
        std::os::unix::fs::symlink("loop", root.join("loop")).unwrap();
        assert!(follow(root, &root.join("loop")).is_err());
    }

    #[test]
    fn a_difference_in_one_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let mut bytes = vec![7; 100_000];
        fs::write(&a, &bytes).unwrap();
        fs::write(&b, &bytes).unwrap();
        assert!(same_content(&a, &b).is_ok());
        bytes[99_999] = 8;
        fs::write(&b, &bytes).unwrap();
        assert!(same_content(&a, &b).is_err());
    }

    #[test]
    fn a_copy_may_be_longer_where_secrets_are_appended_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let (copy, original) = (folder.path().join("copy"), folder.path().join("original"));
        let bytes = vec![7; 100_000];
        fs::write(&original, &bytes).unwrap();
        fs::write(&copy, [&bytes[..], b"secrets"].concat()).unwrap();
        assert_eq!(begins_with(&copy, &original).unwrap(), 100_000);
        assert!(same_content(&copy, &original).is_err());
        fs::write(&copy, &bytes[..99_999]).unwrap();
        assert!(begins_with(&copy, &original).is_err());
        let mut damaged = bytes;
        damaged[70_000] ^= 1;
        fs::write(&copy, damaged).unwrap();
        assert!(begins_with(&copy, &original).is_err());
        fs::write(&original, "").unwrap();
        assert!(begins_with(&copy, &original).is_err(), "an empty initrd starts nothing");
    }
}
