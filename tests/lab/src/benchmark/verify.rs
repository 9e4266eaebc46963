//! A target that was copied to → nothing, or an error for the first difference from the source.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::disk::Target;
use super::measure::Bench;

/// A database's rows, but for what differs from one registration to the next.
const ROWS: &str = "select path, hash, narSize, deriver, ultimate, sigs, ca from ValidPaths \
    order by path; \
    select a.path, b.path from Refs join ValidPaths a on a.id = referrer \
    join ValidPaths b on b.id = reference order by 1, 2;";

/// The rows of the target's database.
pub(super) fn rows(bench: &Bench, target: &Target) -> Result<String> {
    bench.run(target, &format!("sqlite3 -readonly /mnt/target/nix/var/nix/db/db.sqlite '{ROWS}'"))
}

/// Lets Nix read every path and compare its hash.
pub(super) fn by_nix(bench: &Bench, target: &Target) -> Result<()> {
    let verify = "nix-store --store 'local?root=/mnt/target' --verify --check-contents";
    bench.run(target, verify).context("Nix finds the target's store wrong")?;
    Ok(())
}

/// Compares every file of the registered paths with the one that the kernel reads from the image;
/// returns how many there are.
pub(super) fn by_file(bench: &Bench, target: &Target) -> Result<u64> {
    let store = target.place().join("nix/store");
    let mut count = 0;
    for (path, _) in bench.store.registration.entries() {
        let (from, to) = (bench.live.image().join(path.name()), store.join(path.name()));
        count += same(&from, &to)?;
    }
    for entry in fs::read_dir(&store)? {
        let name = entry?.file_name();
        let known = name.to_str().is_some_and(|name| {
            name == ".links"
                || nixvm_copy::StorePath::from_name(name)
                    .is_ok_and(|path| bench.store.registration.get(&path).is_some())
        });
        ensure!(known, "{name:?} is in the target's store and not registered");
    }
    Ok(count)
}

/// Whether two trees are the same, in all that a store keeps.
fn same(from: &Path, to: &Path) -> Result<u64> {
    let read = |path: &Path| {
        path.symlink_metadata().with_context(|| format!("cannot read {}", path.display()))
    };
    let (a, b) = (read(from)?, read(to)?);
    let facts = |m: &fs::Metadata| {
        let times = (m.mtime(), m.mtime_nsec());
        (m.mode(), m.uid(), m.gid(), times, if m.is_dir() { 0 } else { m.len() })
    };
    ensure!(
        facts(&a) == facts(&b),
        "{} differs: (mode, owner, group, time, size) is {:?} and not {:?}",
        to.display(),
        facts(&b),
        facts(&a)
    );
    let mut names = [0; 256];
    let attributes = rustix::fs::llistxattr(to, &mut names[..])
        .with_context(|| format!("cannot read the attributes of {}", to.display()))?;
    ensure!(attributes == 0, "{} has extended attributes", to.display());
    let mut count = 1;
    if a.is_dir() {
        let (inside, copied) = (names_in(from)?, names_in(to)?);
        ensure!(inside == copied, "{} has other entries", to.display());
        for name in inside {
            count += same(&from.join(&name), &to.join(&name))?;
        }
    } else if a.is_symlink() {
        ensure!(fs::read_link(from)? == fs::read_link(to)?, "{} points elsewhere", to.display());
    } else if a.is_file() {
        ensure!(same_content(from, to)?, "{} has another content", to.display());
    } else {
        bail!("{} is no part of a store", from.display());
    }
    Ok(count)
}

fn names_in(folder: &Path) -> Result<Vec<std::ffi::OsString>> {
    let mut names: Vec<_> =
        fs::read_dir(folder)?.map(|e| e.map(|e| e.file_name())).collect::<Result<_, _>>()?;
    names.sort();
    Ok(names)
}

fn same_content(from: &Path, to: &Path) -> Result<bool> {
    let (mut from, mut to) = (File::open(from)?, File::open(to)?);
    let (mut a, mut b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let length = from.read(&mut a)?;
        if length == 0 {
            return Ok(to.read(&mut b)? == 0);
        }
        if to.read_exact(&mut b[..length]).is_err() || a[..length] != b[..length] {
            return Ok(false);
        }
    }
}
