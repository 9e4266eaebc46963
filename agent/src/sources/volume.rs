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

use crate::disk::eligibility::ANSWERS_LABEL;

/// The file in the volume's root, in capital or small letters.
const FILE: &str = "nixvm.toml";

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
    let mut names = Vec::new();
    for entry in Dir::read_from(&folder).context("cannot read its folder")? {
        let name = entry.context("cannot read its folder")?.file_name().to_owned();
        if name.to_bytes().eq_ignore_ascii_case(FILE.as_bytes()) {
            names.push(name);
        }
    }
    let name = match names.as_slice() {
        [name] => name,
        [] => bail!("there is no {FILE} on the volume labelled {ANSWERS_LABEL}"),
        _ => bail!("there are several {FILE} on it, in capital and small letters"),
    };
    document::read_limited(open_file(&folder, name, FILE)?)
        .with_context(|| format!("cannot read {FILE}"))
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
    let kind = match file_system {
        "vfat" | "iso9660" | "exfat" => file_system,
        "ext2" | "ext3" | "ext4" => "ext4",
        other => bail!("its file system is {other:?}, and it has to be FAT, ISO 9660 or ext4"),
    };
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
    use std::process::Command;

    use super::*;

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
    #[expect(clippy::print_stdout, reason = "a skipped test has to say so")]
    fn volume(kind: &str, files: &[(&str, &[u8])], links: &[(&str, &str)]) -> Option<Loop> {
        let made = make(kind, files, links);
        if made.is_none() {
            println!("SKIPPED: no {kind} volume can be made and mounted here");
        }
        made
    }

    fn make(kind: &str, files: &[(&str, &[u8])], links: &[(&str, &str)]) -> Option<Loop> {
        let known = fs::read_to_string("/proc/filesystems").ok()?;
        let loaded = || run("modprobe", &[kind]).is_some();
        (known.lines().any(|line| line.ends_with(&format!("\t{kind}"))) || loaded())
            .then_some(())?;
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir(&tree).unwrap();
        files.iter().for_each(|(name, bytes)| fs::write(tree.join(name), bytes).unwrap());
        links.iter().for_each(|(name, to)| {
            std::os::unix::fs::symlink(to, tree.join(name)).unwrap();
        });
        let image = folder.path().join("image");
        let (tree, path) = (tree.to_str().unwrap(), image.to_str().unwrap());
        if kind != "iso9660" {
            fs::File::create(&image).unwrap().set_len(8 << 20).unwrap();
        }
        match kind {
            "ext4" => run("mkfs.ext4", &["-q", "-L", ANSWERS_LABEL, "-d", tree, path])?,
            "vfat" => {
                run("mkfs.vfat", &["-n", ANSWERS_LABEL, path])?;
                let names: Vec<_> =
                    files.iter().map(|(name, _)| format!("{tree}/{name}")).collect();
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
            (vec![], vec![], "there is no nixvm.toml"),
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
    fn what_is_no_such_file_system_is_a_problem() {
        let error = read_volume(Path::new("/dev/null"), "btrfs").unwrap_err().to_string();
        assert!(error.contains("has to be FAT, ISO 9660 or ext4"), "{error}");
        let error = read_volume(Path::new("/dev/no-such-device"), "ext4").unwrap_err().to_string();
        assert!(error.contains("cannot mount /dev/no-such-device read-only"), "{error}");
    }
}
