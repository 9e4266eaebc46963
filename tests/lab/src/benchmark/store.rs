//! A number of paths and bytes → a store like that of a NixOS system, as an ISO carries it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nixvm_copy::registration::{Entry, Registration};
use nixvm_copy::{StorePath, nar};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::disk::Target;
use super::tree::{Maker, Numbers, Pool};
use crate::build::Lab;
use crate::cache::Key;
use crate::command::Chroot;

/// As `iso/image.nix` has it.
const COMPRESSION: &str = "-comp zstd -Xcompression-level 15 -b 1048576";

/// The generated content of an ISO.
pub(super) struct BenchStore {
    /// Holds `nix-store.squashfs` and `registration`.
    pub(super) folder: PathBuf,
    /// What is in the image, but for the stray names in its root.
    pub(super) registration: Registration,
    /// The path that refers to all others.
    pub(super) toplevel: StorePath,
    /// Files, folders and links in it.
    pub(super) inodes: u64,
}

impl BenchStore {
    pub(super) fn image(&self) -> PathBuf {
        self.folder.join("nix-store.squashfs")
    }
}

/// Makes a store of `paths` paths with `bytes` bytes in their files, or finds it made.
pub(super) fn build(lab: &Lab, tools: &Path, paths: usize, bytes: u64) -> Result<BenchStore> {
    let mut key = Key::new(include_str!("store.rs"));
    key.add(include_bytes!("tree.rs"));
    key.add(&paths.to_le_bytes()).add(&bytes.to_le_bytes());
    let folder = lab.cache.stage("bench-store", &key, |out| {
        // On a disk of its own: to remove so many files from one in use takes minutes.
        let disk = Target::fresh(&lab.commands, out, 2 * bytes + (1 << 30))?;
        let store = disk.place().join("store");
        fs::create_dir(&store)?;
        let (registration, toplevel, inodes) = fill(&store, tools, paths, bytes)?;
        let text = registration.to_text();
        fs::write(out.join("registration"), &text)?;
        // nixpkgs' image has this file beside the store paths: only what is registered is copied.
        fs::write(store.join("nix-path-registration"), &text)?;
        fs::write(out.join("toplevel"), toplevel.to_string())?;
        fs::write(out.join("inodes"), inodes.to_string())?;
        let chroot = Chroot::new(tools).bind(out, "/mnt/out").bind(disk.place(), "/mnt/disk");
        let script = format!(
            "mksquashfs /mnt/disk/store /mnt/out/nix-store.squashfs -quiet -no-progress \
             -no-hardlinks -all-root {COMPRESSION}"
        );
        lab.commands.run_command(chroot.command("sh").args(["-ec", &script]))
    })?;
    let read = |name: &str| {
        fs::read_to_string(folder.join(name)).with_context(|| format!("the store lacks its {name}"))
    };
    Ok(BenchStore {
        registration: Registration::parse(&read("registration")?)?,
        toplevel: StorePath::parse(&read("toplevel")?)?,
        inodes: read("inodes")?.parse()?,
        folder,
    })
}

fn fill(
    store: &Path,
    tools: &Path,
    paths: usize,
    bytes: u64,
) -> Result<(Registration, StorePath, u64)> {
    let pool = Pool::new(tools)?;
    let mut numbers = Numbers(1);
    // Sizes of store paths are spread over many orders of magnitude: half of a system's bytes are in
    // a few dozen paths.
    let weights: Vec<f64> =
        (0..paths).map(|_| (2.2 * normal(&mut numbers)).exp().min(60.0)).collect();
    let sum: f64 = weights.iter().sum();
    let mut maker = Maker { pool: &pool, numbers, files: 0 };
    let mut registration = Registration::default();
    let mut made: Vec<StorePath> = Vec::new();
    let mut inodes = 0;
    for (number, weight) in weights.iter().enumerate() {
        let path = StorePath::from_name(&format!("{}-made-{number}", hash(&mut maker.numbers)))?;
        let file = store.join(path.name());
        maker.make(&file, number, (weight / sum * bytes as f64) as u64)?;
        inodes += canonicalise(&file)?;
        let (hash, size) = nar::of_path(&file)?;
        let mut references = vec![path.clone()];
        if let Some(last) = made.len().checked_sub(1) {
            // The chain makes every path part of the last one's closure.
            references.push(made[last].clone());
            references.extend((0..6).map(|_| made[maker.numbers.below(last)].clone()));
        }
        references.sort();
        references.dedup();
        // A reference to itself is rarer than not.
        if number % 3 > 0 {
            references.retain(|r| *r != path);
        }
        let deriver = StorePath::from_name(&format!("{}.drv", path.name()))?;
        let deriver = (number % 2 == 0).then_some(deriver);
        registration.insert(path.clone(), Entry { hash, size, deriver, references });
        made.push(path);
    }
    let toplevel = made.pop().context("a store has at least one path")?;
    Ok((registration, toplevel, inodes))
}

/// The usual bell curve, by Box and Muller.
fn normal(numbers: &mut Numbers) -> f64 {
    let (u, v) = (numbers.unit().max(f64::MIN_POSITIVE), numbers.unit());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

fn hash(numbers: &mut Numbers) -> String {
    let letters = b"0123456789abcdfghijklmnpqrsvwxyz";
    (0..32).map(|_| letters[numbers.below(letters.len())] as char).collect()
}

/// Modes and times as Nix sets them; returns how many things there are.
fn canonicalise(path: &Path) -> Result<u64> {
    let metadata = path.symlink_metadata()?;
    let mut count = 1;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            count += canonicalise(&entry?.path())?;
        }
    }
    if !metadata.is_symlink() {
        let executable = metadata.is_dir() || metadata.permissions().mode() & 0o100 != 0;
        let mode = if executable { 0o555 } else { 0o444 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    let one = Timespec { tv_sec: 1, tv_nsec: 0 };
    let times = Timestamps { last_access: one, last_modification: one };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(count)
}
