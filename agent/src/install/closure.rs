//! A closure that the ISO carries → the same in the target's store, registered.
//!
//! The image of the store is read from the device that it is mounted from, without the kernel's mount,
//! by several threads, and every path's hash is compared with the registered one; see [`nixvm_copy`].
//! Nothing is registered before all of it is right and on the disk. Where there is no image that can be
//! read, `nix copy` does the work.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, Result};
use nixvm_copy::{Registration, Source, StorePath, remove_unregistered};
use nixvm_manifest::Manifest;

use super::Attempt;
use super::blocking::blocking;
use crate::command::{Cancelled, Runner};
use crate::disk::{layout, store_image};
use crate::event::Event;

/// Nix's name of the store on the target.
pub(super) fn target_store() -> String {
    format!("local?root={}", layout::MOUNT_POINT)
}

/// Copies the closure of `toplevel`.
///
/// # Errors
/// The medium is damaged, the target can't be written to, or [`Cancelled`].
pub(super) async fn copy(attempt: &Attempt, toplevel: &Path) -> Result<()> {
    let (manifest, path) = (attempt.manifest.clone(), toplevel.to_owned());
    let cancel = attempt.runner.cancellation();
    match blocking(cancel, move |_| open(Path::new("/"), &manifest, &path)).await {
        Ok((source, closure)) => copy_image(attempt, source, closure).await,
        Err(cancelled) if cancelled.is::<Cancelled>() => Err(cancelled),
        Err(reason) => {
            let message = format!(
                "Nix itself copies the system, which takes longer and shows no progress: {reason:#}."
            );
            tracing::warn!("{message}");
            attempt.runner.note(&message);
            attempt.publisher.publish(Event::Warning { message });
            copy_by_nix(attempt, toplevel).await
        }
    }
}

/// Opens what the manifest names, with everything but the registration below `root`, which is `/` but
/// for tests.
///
/// # Errors
/// The ISO has no image and registration of this closure, or none that this agent can read.
fn open(root: &Path, manifest: &Manifest, toplevel: &Path) -> Result<(Source, Registration)> {
    let mount = manifest.store_mount.as_ref();
    let mount = mount.context("this installer does not name the mount of its store")?;
    let file = manifest
        .registration
        .as_ref()
        .context("this installer has no registration of its store")?;
    let about = || format!("cannot use the registration {}", file.display());
    let text = std::fs::read_to_string(file).with_context(about)?;
    let toplevel = StorePath::parse(&toplevel.to_string_lossy())?;
    let closure =
        Registration::parse(&text).and_then(|all| all.closure(&[toplevel])).with_context(about)?;
    let image = store_image::find(root, mount).context("cannot find the image of the store")?;
    Ok((Source::open(&image.node)?, closure))
}

async fn copy_image(attempt: &Attempt, source: Source, closure: Registration) -> Result<()> {
    let root = Path::new(layout::MOUNT_POINT);
    let runner = &attempt.runner;
    let registered = registered(runner).await?;
    let left = closure.without(&registered);
    runner.note(&format!(
        "copying {} store paths, {} bytes; {} are there already",
        left.len(),
        left.total_bytes(),
        closure.len() - left.len()
    ));
    let publisher = attempt.publisher.clone();
    let left = blocking(runner.cancellation(), move |cancel| {
        let removed = remove_unregistered(root, &registered)?;
        if removed > 0 {
            tracing::info!("removed {removed} unregistered paths from the target's store");
        }
        let mut tell = |progress: nixvm_copy::Progress| {
            publisher.publish(Event::Progress {
                bytes_done: progress.done,
                bytes_total: progress.total,
            });
        };
        nixvm_copy::copy(&source, &left, root, &mut tell, &|| cancel.is_cancelled())?;
        Ok(left)
    })
    .await
    .map_err(|error| {
        match error.chain().any(|cause| cause.is::<nixvm_copy::Cancelled>()) {
            true => Cancelled.into(),
            false => error,
        }
    })?;
    runner
        .tool("nix-store")
        .args(["--store", &target_store(), "--load-db"])
        .input(left.to_text())
        .run()
        .await
        .context("cannot register the store paths")?;
    Ok(())
}

/// What Nix holds for valid in the target's store. None yet, where it has no database.
async fn registered(runner: &Runner) -> Result<HashSet<StorePath>> {
    let database = Path::new(layout::MOUNT_POINT).join("nix/var/nix/db/db.sqlite");
    if !database.exists() {
        return Ok(HashSet::new());
    }
    let output = runner
        .tool("nix")
        .args(["--extra-experimental-features", "nix-command", "path-info", "--all"])
        .args(["--store", &target_store()])
        .run()
        .await
        .context("cannot list what is in the target's store")?;
    output.stdout.lines().map(StorePath::parse).collect()
}

async fn copy_by_nix(attempt: &Attempt, toplevel: &Path) -> Result<()> {
    attempt
        .runner
        .tool("nix")
        .args(["--extra-experimental-features", "nix-command", "copy", "--no-check-sigs"])
        .args(["--to", &target_store()])
        .arg(toplevel)
        .run()
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(folder: &Path) -> Manifest {
        let mut manifest =
            nixvm_manifest::parse(include_str!("../../manifest/fixtures/manifest.json")).unwrap();
        manifest.registration = Some(folder.join("registration"));
        manifest.store_mount = Some("/nix/.ro-store".into());
        manifest
    }

    #[test]
    fn what_nix_has_to_copy_says_why() {
        let table = "30 22 7:1 / /nix/.ro-store ro - squashfs /dev/loop1 ro\n";
        let folder = crate::machine::examples::root(&[
            ("sys/dev/block/7:1/uevent", "DEVNAME=loop1\n"),
            ("sys/dev/block/7:1/size", "1\n"),
            ("dev/null", ""),
        ]);
        let mut manifest = manifest(folder.path());
        let toplevel = format!("/nix/store/{}-system", "0".repeat(32));
        let why = |manifest: &Manifest| {
            let result = open(folder.path(), manifest, Path::new(&toplevel));
            result.err().map(|reason| format!("{reason:#}")).unwrap_or_default()
        };
        assert!(why(&manifest).starts_with("cannot use the registration"));
        let file = folder.path().join("registration");
        std::fs::write(&file, "").unwrap();
        assert!(why(&manifest).ends_with(&format!("{toplevel} is not registered")));
        let hash = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
        std::fs::write(&file, format!("{toplevel}\n{hash}\n0\n\n0\n")).unwrap();
        assert!(why(&manifest).starts_with("cannot find the image of the store: cannot read"));
        std::fs::create_dir_all(folder.path().join("proc/self")).unwrap();
        std::fs::write(folder.path().join("proc/self/mountinfo"), table).unwrap();
        assert!(why(&manifest).starts_with("cannot read the image"));
        std::fs::write(folder.path().join("dev/loop1"), [0; 96]).unwrap();
        assert!(why(&manifest).ends_with("it is no squashfs"));
        manifest.store_mount = None;
        assert_eq!(why(&manifest), "this installer does not name the mount of its store");
    }
}
