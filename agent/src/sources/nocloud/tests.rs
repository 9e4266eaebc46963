//! Images by Debian's own tools, mounted through loop devices, and what is read of them.

use std::io::Write as _;
use std::process::Command;

use super::*;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGElGSSWbgBlWnYzYx3Pu4mL09GP8DhJXnFVz4lxiUHG ada@mac";

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

/// Says so past the test's captured output, in the form that is counted.
fn skipped(why: &str) {
    let why = why.trim().replace('\n', " ");
    writeln!(std::io::stderr(), "SKIPPED {why}").unwrap();
}

/// Runs a script in a new folder with these files, which leaves `image` there → a loop device of
/// it, or nothing where root, loop devices, the tools or the kernel's driver are missing.
fn volume(file_system: &str, script: &str, files: &[(&str, &[u8])]) -> Option<Loop> {
    let _built_in_or_missing = Command::new("modprobe").args(["-q", file_system]).status();
    let known = fs::read_to_string("/proc/filesystems").unwrap();
    if !known.lines().any(|line| line.ends_with(&format!("\t{file_system}"))) {
        skipped(&format!("a NoCloud volume: this kernel has no driver for {file_system}"));
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let script = format!("{script} >&2 && losetup --find --show --read-only image");
    let shell = Command::new("sh").args(["-ec", &script]).current_dir(folder.path()).output();
    let output = shell.unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        skipped(&format!("a NoCloud volume, which can't be made by `{script}`: {said}"));
        return None;
    }
    let node = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Some(Loop { node, _folder: folder })
}

fn read(volume: &Loop, file_system: &str) -> Vec<Result<SourceAnswers, Problems>> {
    read_no_cloud(Path::new(&volume.node), file_system)
}

fn problem(script: &str, files: &[(&str, &[u8])]) -> Option<String> {
    let volume = volume("ext4", script, files)?;
    let mut found = read(&volume, "ext4");
    assert_eq!(found.len(), 1, "{found:?}");
    Some(found.remove(0).unwrap_err().to_string())
}

const GENISOIMAGE: &str = "genisoimage -quiet -output image -volid cidata -rational-rock -joliet";

/// A volume of everything in the folder, for kernels without the file systems of the usual tools.
const EXT4: &str = "mkdir tree && find . -mindepth 1 -maxdepth 1 ! -name tree -exec mv {} tree ';' && \
    mkfs.ext4 -q -L cidata -d tree image 2M";

#[test]
fn images_of_each_tool_are_read() {
    let user_data = format!(
        "#cloud-config\nusers:\n  - default\n  - name: ada\n    ssh_authorized_keys: ['{KEY}']\n\
         packages: [vim]\n"
    );
    let meta_data: &[u8] = b"instance-id: i-1\nlocal-hostname: web.example.org\n";
    let files: [(&str, &[u8]); 3] = [
        ("user-data", user_data.as_bytes()),
        ("meta-data", meta_data),
        (
            "network-config",
            b"version: 2\nethernets: {eth0: {addresses: [10.0.2.77/24], wakeonlan: true}}\n",
        ),
    ];
    let genisoimage = format!("{GENISOIMAGE} user-data meta-data network-config");
    let joliet = genisoimage.replace("-rational-rock ", "");
    for (file_system, script) in [
        ("ext4", EXT4),
        ("iso9660", genisoimage.as_str()),
        ("iso9660", &joliet),
        ("iso9660", "cloud-localds --network-config network-config image user-data meta-data"),
        (
            "vfat",
            "cloud-localds --filesystem vfat --network-config network-config image user-data meta-data",
        ),
        (
            "vfat",
            "truncate -s 1440K image && mkfs.vfat -n CIDATA image && \
             mcopy -i image user-data meta-data network-config ::",
        ),
        (
            "iso9660",
            "xorriso -as mkisofs -quiet -o image -V CIDATA -J -r user-data meta-data network-config",
        ),
    ] {
        let Some(volume) = volume(file_system, script, &files) else { continue };
        let found: Vec<_> = read(&volume, file_system).into_iter().map(Result::unwrap).collect();
        let [user, meta, network] = found.as_slice() else { panic!("{script}: {found:?}") };
        assert_eq!(user.source.to_string(), format!("user-data on {}", volume.node));
        assert_eq!(user.answers.username.as_ref().unwrap().as_str(), "ada", "{script}");
        assert_eq!(user.answers.ssh_authorized_keys.as_ref().unwrap()[0].as_str(), KEY);
        assert_eq!(user.ignored, ["packages"], "{script}");
        assert_eq!(meta.source.to_string(), format!("meta-data on {}", volume.node));
        assert_eq!(meta.answers.hostname.as_ref().unwrap().as_str(), "web", "{script}");
        assert_eq!(network.source.to_string(), format!("network-config on {}", volume.node));
        let settings = network.answers.network.as_ref().unwrap().to_string();
        assert_eq!(settings, "name=eth0,address=10.0.2.77/24", "{script}");
        assert_eq!(network.ignored, ["ethernets.wakeonlan"], "{script}");
    }
}

#[test]
fn an_instance_without_data_says_nothing() {
    for files in [
        [("user-data", b"".as_slice()), ("meta-data", b"instance-id: i-1\n")],
        [("user-data", b"#cloud-config\n"), ("meta-data", b"")],
    ] {
        let Some(volume) = volume("ext4", EXT4, &files) else { return };
        for found in read(&volume, "ext4") {
            let found = found.unwrap();
            assert_eq!((found.answers, found.ignored), (Answers::default(), vec![]));
        }
    }
    let files = [("meta-data", b"local-hostname: web\n".as_slice())];
    let Some(volume) = volume("iso9660", &format!("{GENISOIMAGE} meta-data"), &files) else {
        return;
    };
    let found = read(&volume, "iso9660");
    assert!(found.len() == 2 && found.iter().all(Result::is_ok), "{found:?}");
}

#[test]
fn a_volume_that_says_nothing_usable_is_a_problem() {
    if let Some(error) = problem(EXT4, &[("openstack", b"x")]) {
        assert!(error.contains("neither user-data nor meta-data"), "{error}");
        assert!(error.contains("nixvm.nocloud=no"), "{error}");
    }
    let script = format!("ln -s /etc/shadow user-data && {EXT4}");
    if let Some(error) = problem(&script, &[]) {
        assert!(error.contains("user-data is a link"), "{error}");
    }
    let error = read_no_cloud(Path::new("/dev/no-such-device"), "iso9660").remove(0).unwrap_err();
    assert!(error.to_string().contains("cannot mount /dev/no-such-device"), "{error}");
}

#[test]
fn mistakes_in_both_files_are_named() {
    let files =
        [("user-data", b"#cloud-config\npassword: hunter2\n".as_slice()), ("meta-data", b"web")];
    let Some(volume) = volume("ext4", EXT4, &files) else { return };
    let problems: Vec<_> =
        read(&volume, "ext4").into_iter().map(|found| found.unwrap_err().to_string()).collect();
    let (user, meta) = (format!("user-data on {}, line 2", volume.node), "meta-data on ");
    assert!(problems[0].starts_with(&user) && problems[1].starts_with(meta), "{problems:?}");
    assert!(!problems.concat().contains("hunter2"), "{problems:?}");
}
