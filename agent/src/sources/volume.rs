//! A block device labelled NIXVM → the answers in its `nixvm.toml`.
//!
//! The file is not called `answers.toml`, as it is in the ISO's folder `nixvm`: here it lies in the
//! root of the user's own medium, beside files of other programs, so its name says whose it is.

use std::ffi::CStr;
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use nixvm_answers::{Problem, Problems, Source, SourceAnswers, document};
use rustix::fs::{Dir, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use super::missing;

/// The file in the volume's root, in capital or small letters.
pub(super) const FILE: &str = "nixvm.toml";

/// Reads the answers on the volume `device`, whose file system udev calls `file_system`
/// (`ID_FS_TYPE`).
///
/// The volume is mounted read-only, without a place in the tree: no other process can reach it, and
/// it is unmounted when this returns or dies. It blocks, on a bad stick for long: call it from a
/// thread of its own.
///
/// # Errors
/// The volume can't be read, has no `nixvm.toml`, or there is a mistake in it. A volume with this
/// label was attached to be used, so none of these is passed over.
pub fn read_volume(device: &Path, file_system: &str) -> Result<SourceAnswers, Problems> {
    let source = Source::Volume { device: device.display().to_string() };
    match read(device, file_system) {
        Ok(bytes) => document::parse(&bytes, source),
        Err(error) => Err(unreadable(source, &format!("{error:#}"))),
    }
}

fn unreadable(source: Source, why: &str) -> Problems {
    let hint = "put the answers into a file nixvm.toml on it, or detach it";
    Problem::whole(source, why.to_owned(), Some(hint)).into()
}

/// The problem of a volume on which [`read_volume`] hangs.
pub fn silent_volume(device: &Path) -> Problems {
    let source = Source::Volume { device: device.display().to_string() };
    unreadable(source, &format!("{} does not answer", device.display()))
}

fn read(device: &Path, file_system: &str) -> Result<Vec<u8>> {
    let folder = open(device, file_system)?;
    let (mut names, mut all) = (Vec::new(), Vec::new());
    for entry in Dir::read_from(&folder).context("cannot read its folder")? {
        let name = entry.context("cannot read its folder")?.file_name().to_owned();
        // A folder of thousands has to be read to its end, but not to be shown.
        if all.len() < missing::MOST_NAMES
            && !matches!(name.to_bytes(), b"." | b".." | b"lost+found")
        {
            all.push(name.to_string_lossy().into_owned());
        }
        if name.to_bytes().eq_ignore_ascii_case(FILE.as_bytes()) {
            names.push(name);
        }
    }
    let name = match names.as_slice() {
        [name] => name,
        [] => return Err(missing::explain(&folder, device, all)),
        _ => bail!("there are several {FILE} on it, in capital and small letters"),
    };
    let bytes = document::read_limited(open_file(&folder, name, FILE)?)
        .with_context(|| format!("cannot read {FILE}"))?;
    ensure!(!bytes.is_empty(), "{FILE} is empty");
    Ok(bytes)
}

/// The root folder of a volume. Its mount lives as long as a file that is opened in it.
pub(super) fn open(device: &Path, file_system: &str) -> Result<OwnedFd> {
    let root = mount(device, file_system)
        .with_context(|| format!("cannot mount {} read-only", device.display()))?;
    // A mount without a place can only be walked into.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(&root, ".", flags, Mode::empty()).context("cannot open its folder")
}

/// The file `name` in `folder`, which messages call `shown`.
pub(super) fn open_file(folder: &OwnedFd, name: &CStr, shown: &str) -> Result<File> {
    // A link could lead anywhere, and a pipe would be waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags, Mode::empty()) {
        Err(Errno::LOOP) => bail!("{shown} is a link"),
        file => file.with_context(|| format!("cannot open {shown}"))?,
    };
    let kind = FileType::from_raw_mode(fstat(&file).context("cannot look at it")?.st_mode);
    ensure!(kind == FileType::RegularFile, "{shown} is not a file");
    Ok(file.into())
}

/// Mounts without a place in the tree; closing it unmounts.
fn mount(device: &Path, file_system: &str) -> Result<OwnedFd> {
    let kinds: &[&str] = match file_system {
        "vfat" => &["vfat"],
        // A bridge has both, with the same files: ISO 9660 is what every live system can read.
        "udf" => &["iso9660", "udf"],
        "iso9660" => &["iso9660"],
        "exfat" => &["exfat"],
        "ext2" | "ext3" | "ext4" => &["ext4"],
        "ntfs" => &["ntfs3"],
        "hfsplus" => &["hfsplus"],
        "hfs" => &["hfs"],
        "squashfs" => &["squashfs"],
        other => bail!(
            "its file system is {other:?}, and it has to be FAT, exFAT, NTFS, ext2, ext3, ext4, \
             HFS, HFS+, ISO 9660, UDF or squashfs"
        ),
    };
    let mut errors = Vec::new();
    for kind in kinds {
        match mount_as(device, kind) {
            Ok(mounted) => return Ok(mounted),
            Err(error) => errors.push(error),
        }
    }
    // The last is the one that the volume is named after.
    Err(errors.pop().unwrap_or_else(|| anyhow::anyhow!("no file system was tried")))
}

fn mount_as(device: &Path, kind: &str) -> Result<OwnedFd> {
    let context = match fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC) {
        Err(Errno::NODEV) => {
            return Err(std::io::Error::from(ErrorKind::Unsupported))
                .with_context(|| format!("this kernel cannot read {kind}"));
        }
        context => context.context("the kernel refuses a mount")?,
    };
    fsconfig_set_string(&context, "source", device)?;
    fsconfig_set_flag(&context, "ro")?;
    if kind == "ext4" {
        // Even a read-only mount would write to the volume to replay its journal.
        fsconfig_set_flag(&context, "noload")?;
        // The volume may say that an error in it stops the machine.
        fsconfig_set_string(&context, "errors", "continue")?;
    }
    fsconfig_create(&context).context("there is no such file system on it")?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::process::Command;

    use super::*;
    use crate::disk::eligibility::ANSWERS_LABEL;

    /// A loop device over an image, as long as it lives.
    struct Loop {
        node: String,
        _folder: tempfile::TempDir,
    }

    impl Drop for Loop {
        fn drop(&mut self) {
            let _gone = Command::new("losetup").args(["-d", &self.node]).status();
        }
    }

    fn run(program: &str, arguments: &[&str]) -> Option<String> {
        let output = Command::new(program).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// A volume of `kind` with these files and links, or nothing where root, loop devices, the tools
    /// or the kernel's driver are missing.
    fn volume(kind: &str, files: &[(&str, &[u8])], links: &[(&str, &str)]) -> Option<Loop> {
        volume_of(kind, |tree| {
            files.iter().for_each(|(name, bytes)| fs::write(tree.join(name), bytes).unwrap());
            links.iter().for_each(|(name, to)| {
                std::os::unix::fs::symlink(to, tree.join(name)).unwrap();
            });
        })
    }

    fn volume_of(kind: &str, fill: impl FnOnce(&Path)) -> Option<Loop> {
        let made = make(kind, fill);
        if made.is_none() {
            skipped(kind);
        }
        made
    }

    fn skipped(kind: &str) {
        let mut stderr = std::io::stderr();
        writeln!(stderr, "SKIPPED no {kind} volume can be made and mounted here").unwrap();
    }

    fn make(kind: &str, fill: impl FnOnce(&Path)) -> Option<Loop> {
        let known = fs::read_to_string("/proc/filesystems").ok()?;
        let loaded = || run("modprobe", &[kind]).is_some();
        (known.lines().any(|line| line.ends_with(&format!("\t{kind}"))) || loaded())
            .then_some(())?;
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir(&tree).unwrap();
        fill(&tree);
        let image = folder.path().join("image");
        let (tree, path) = (tree.to_str().unwrap(), image.to_str().unwrap());
        if kind != "iso9660" {
            fs::File::create(&image).unwrap().set_len(8 << 20).unwrap();
        }
        match kind {
            "ext4" => run("mkfs.ext4", &["-q", "-L", ANSWERS_LABEL, "-d", tree, path])?,
            "vfat" => {
                run("mkfs.vfat", &["-n", ANSWERS_LABEL, path])?;
                let names: Vec<_> = fs::read_dir(tree)
                    .unwrap()
                    .map(|entry| entry.unwrap().path().to_str().unwrap().to_owned())
                    .collect();
                let mut arguments = vec!["-i", path];
                arguments.extend(names.iter().map(String::as_str));
                arguments.push("::");
                run("mcopy", &arguments)?
            }
            _ => run("xorriso", &["-as", "mkisofs", "-R", "-V", ANSWERS_LABEL, "-o", path, tree])?,
        };
        let node = run("losetup", &["-f", "--show", path])?;
        Some(Loop { node, _folder: folder })
    }

    fn said(kind: &str, volume: &Loop) -> Result<SourceAnswers, Problems> {
        read_volume(Path::new(&volume.node), kind)
    }

    #[test]
    fn answers_are_read_from_each_file_system() {
        for (kind, name) in [("ext4", "nixvm.toml"), ("vfat", "NIXVM.TOML"), ("iso9660", FILE)] {
            let Some(volume) = volume(kind, &[(name, b"hostname = 'web'")], &[]) else { continue };
            let given = said(kind, &volume).unwrap_or_else(|problems| panic!("{kind}: {problems}"));
            assert_eq!(given.answers.hostname.unwrap().as_str(), "web");
            assert_eq!(given.source, Source::Volume { device: volume.node.clone() });
        }
    }

    #[test]
    fn reading_leaves_the_volume_as_it_was_and_mounted_nowhere() {
        let Some(volume) = volume("ext4", &[(FILE, b"hostname = 'web'")], &[]) else { return };
        let before = fs::read(&volume.node).unwrap();
        said("ext4", &volume).unwrap();
        assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&volume.node));
        assert!(fs::read(&volume.node).unwrap() == before);
    }

    #[test]
    fn a_volume_that_says_nothing_usable_is_a_problem() {
        let long = vec![b'#'; 70_000];
        for (files, links, expected) in [
            (vec![], vec![], "has no nixvm.toml; it is empty. Put nixvm.toml into its root folder"),
            (
                vec![("nixvm.toml.txt", b"x".as_slice()), ("a", b"x")],
                vec![],
                "has no nixvm.toml; it has: nixvm.toml.txt, a. Rename nixvm.toml.txt to nixvm.toml",
            ),
            (
                vec![("NIXVM.TOM", b"x".as_slice())],
                vec![],
                "NIXVM.TOM was cut off: make the ISO with",
            ),
            (vec![("NixVM.toml.toml", b"x".as_slice())], vec![], "Rename NixVM.toml.toml to"),
            (vec![(FILE, b"".as_slice())], vec![], "nixvm.toml is empty"),
            (vec![(FILE, b"hostnme = 'x'".as_slice())], vec![], "did you mean"),
            (vec![(FILE, long.as_slice())], vec![], "larger than 64 KiB"),
            (vec![], vec![(FILE, "/etc/hostname")], "is a link"),
            (vec![(FILE, b"".as_slice()), ("NixVM.toml", b"")], vec![], "there are several"),
        ] {
            let Some(volume) = volume("ext4", &files, &links) else { return };
            let problems = said("ext4", &volume).unwrap_err().to_string();
            assert!(problems.contains(expected) && problems.contains(&volume.node), "{problems}");
        }
    }

    #[test]
    fn a_file_in_a_folder_and_a_folder_in_place_of_the_file_are_named() {
        for (path, expected) in [
            ("config/nixvm.toml", "Move nixvm.toml out of the folder config"),
            ("nixvm.toml/x", "nixvm.toml is not a file"),
        ] {
            let (folder, file) = path.split_once('/').unwrap();
            let Some(volume) = volume_of("ext4", |tree| {
                fs::create_dir(tree.join(folder)).unwrap();
                fs::write(tree.join(folder).join(file), "hostname = 'web'").unwrap();
            }) else {
                return;
            };
            let problems = said("ext4", &volume).unwrap_err().to_string();
            assert!(problems.contains(expected), "{problems}");
        }
    }

    #[test]
    fn a_volume_that_wants_errors_to_stop_the_machine_is_read() {
        let Some(volume) = volume("ext4", &[(FILE, b"hostname = 'web'")], &[]) else { return };
        assert!(run("tune2fs", &["-e", "panic", &volume.node]).is_some());
        assert_eq!(said("ext4", &volume).unwrap().answers.hostname.unwrap().as_str(), "web");
    }

    #[test]
    fn images_as_other_tools_make_them_are_read_or_refused_by_name() {
        let images: [(&str, &[u8], Result<(), &str>); 5] = [
            ("iso9660", include_bytes!("../../fixtures/volumes/hfs-nopart.iso.gz"), Ok(())),
            ("iso9660", include_bytes!("../../fixtures/volumes/hfs-part.iso.gz"), Ok(())),
            ("udf", include_bytes!("../../fixtures/volumes/udf-bridge.iso.gz"), Ok(())),
            (
                "iso9660",
                include_bytes!("../../fixtures/volumes/plain-8.3.iso.gz"),
                Err("was cut off: make the ISO with"),
            ),
            (
                "vfat",
                include_bytes!("../../fixtures/volumes/txt.img.gz"),
                Err("Rename nixvm.toml.txt to nixvm.toml"),
            ),
        ];
        for (kind, packed, expected) in images {
            let Some(volume) = attached(packed) else { return skipped(kind) };
            let given = said(kind, &volume);
            let unsupported = given.as_ref().err().map(ToString::to_string).unwrap_or_default();
            if unsupported.contains("this kernel cannot read") {
                skipped(kind);
                continue;
            }
            match expected {
                Ok(()) => {
                    let given = given.unwrap_or_else(|problems| panic!("{kind}: {problems}"));
                    assert!(given.answers.erase.is_some() || given.answers.hostname.is_some());
                }
                Err(why) => assert!(unsupported.contains(why), "{unsupported}"),
            }
        }
    }

    /// A loop device over a packed image.
    fn attached(packed: &[u8]) -> Option<Loop> {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        fs::write(image.with_extension("gz"), packed).unwrap();
        run("gzip", &["-d", image.with_extension("gz").to_str()?])?;
        let node = run("losetup", &["-f", "--show", "-r", image.to_str()?])?;
        Some(Loop { node, _folder: folder })
    }

    #[test]
    fn what_is_no_such_file_system_is_a_problem() {
        let error = read_volume(Path::new("/dev/null"), "btrfs").unwrap_err().to_string();
        assert!(error.contains("has to be FAT, exFAT"), "{error}");
        let error = read_volume(Path::new("/dev/no-such-device"), "ext4").unwrap_err().to_string();
        assert!(error.contains("cannot mount /dev/no-such-device read-only"), "{error}");
    }
}
