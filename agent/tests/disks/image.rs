//! A disk image, its tools and its loop devices → a [`Disk`] as the agent sees it.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

use nixvm_agent::command::Runner;
use nixvm_agent::disk::describe::{self, Raw};
use nixvm_agent::disk::{Disk, Kind, probe};
use tempfile::TempDir;

/// Bytes of each disk.
pub(crate) const SIZE: u64 = 512 << 20;

/// Where the data is that a file system has which can't be filled here.
const MIDDLE: u64 = 200 << 20;

/// A partition: start and length in bytes, and its name in a GPT.
pub(crate) type Part = (u64, u64, &'static str);

pub(crate) struct Image {
    folder: TempDir,
    pub(crate) file: PathBuf,
    /// As the kernel would read them from the table at the beginning.
    pub(crate) partitions: Vec<Part>,
}

impl Image {
    /// A disk of zeros.
    pub(crate) fn new() -> Self {
        Self::sized(SIZE)
    }

    /// A disk of so many bytes, zeros.
    pub(crate) fn sized(size: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("disk");
        File::create(&file).unwrap().set_len(size).unwrap();
        Self { folder, file, partitions: Vec::new() }
    }

    pub(crate) fn with_partitions(self, partitions: Vec<Part>) -> Self {
        Self { partitions, ..self }
    }

    pub(crate) fn copy(&self) -> Self {
        let copy = Self { partitions: self.partitions.clone(), ..Self::new() };
        run("cp", &["--sparse=always", text(&self.file), text(&copy.file)]);
        copy
    }

    /// A folder with the file of data in it.
    fn tree(&self) -> PathBuf {
        let tree = self.folder.path().join("tree");
        std::fs::create_dir_all(&tree).unwrap();
        std::fs::write(tree.join("data"), &*DATA).unwrap();
        tree
    }

    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) {
        let file = File::options().write(true).open(&self.file).unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }

    pub(crate) fn zero(&self, offset: u64, length: u64) {
        self.write(offset, &vec![0; usize::try_from(length).unwrap()]);
    }

    /// Runs a tool on the image: `{}` in its arguments is the image's path.
    pub(crate) fn tool(&self, program: &str, arguments: &[&str]) {
        let arguments: Vec<_> = arguments
            .iter()
            .map(|argument| argument.replace("{}", text(&self.file)))
            .map(|argument| match argument.contains("{tree}") {
                true => argument.replace("{tree}", text(&self.tree())),
                false => argument,
            })
            .collect();
        run(program, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Runs a tool on the image as a block device.
    pub(crate) fn tool_on_device(&self, program: &str, arguments: &[&str]) {
        let device = Loop::new(&self.file, 0, SIZE);
        let node = text(&device.0);
        let arguments: Vec<_> = arguments.iter().map(|a| a.replace("{}", node)).collect();
        run(program, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Copies the data into the file system, by mounting it; if that can't be, into the middle.
    pub(crate) fn fill(&self) {
        let mount_point = self.folder.path().join("mounted");
        std::fs::create_dir_all(&mount_point).unwrap();
        let mounted = Command::new("mount")
            .args(["-o", "loop", text(&self.file), text(&mount_point)])
            .output()
            .is_ok_and(|output| output.status.success());
        if mounted {
            let copied = std::fs::write(mount_point.join("data"), &*DATA);
            run("umount", &[text(&mount_point)]);
            copied.unwrap();
        } else {
            self.fill_middle();
        }
    }

    pub(crate) fn fill_middle(&self) {
        self.write(MIDDLE, &DATA);
    }

    /// Reads the disk as the agent does: by udev's properties, then by itself.
    pub(crate) fn look(&self) -> Disk {
        self.look_and_count().0
    }

    /// The same, with how many reads the disk got for it, and of how many bytes.
    pub(crate) fn look_and_count(&self) -> (Disk, u64, u64) {
        let size = self.file.metadata().unwrap().len();
        let whole = Loop::new(&self.file, 0, size);
        let (reads_before, bytes_before) = whole.reads();
        let parts: Vec<_> = self
            .partitions
            .iter()
            .map(|(start, length, name)| (Loop::new(&self.file, *start, *length), *length, *name))
            .collect();
        let mut raw = vec![raw("disk", &whole.0, size)];
        for (number, (device, length, name)) in parts.iter().enumerate() {
            let mut part = self::raw(&format!("disk{}", number + 1), &device.0, *length);
            part.parent = Some("disk".into());
            part.attributes.insert("partition".into(), (number + 1).to_string());
            part.properties.insert("ID_PART_ENTRY_NAME".into(), (*name).to_owned());
            raw.push(part);
        }
        let mut device = describe::devices(&raw, &BTreeMap::new()).remove(0);
        device.kind = Kind::Disk;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let content = runtime.block_on(probe::content(&Runner::default(), &device)).unwrap();
        let (reads, bytes) = whole.reads();
        (Disk { device, content }, reads - reads_before, bytes - bytes_before)
    }
}

/// udev's properties are those that `blkid` prints for it.
fn raw(name: &str, node: &Path, size: u64) -> Raw {
    let output = Command::new("blkid").args(["-p", "-o", "udev", text(node)]).output().unwrap();
    let properties = String::from_utf8_lossy(&output.stdout);
    let pairs = properties.lines().filter_map(|line| line.split_once('='));
    Raw {
        name: name.to_owned(),
        node: node.to_owned(),
        properties: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        attributes: [("size".to_owned(), (size / 512).to_string())].into(),
        ..Raw::default()
    }
}

/// A loop device over a part of a file, until it is dropped.
pub(crate) struct Loop(pub(crate) PathBuf);

impl Loop {
    pub(crate) fn new(file: &Path, offset: u64, length: u64) -> Self {
        let (offset, length) = (offset.to_string(), length.to_string());
        let options = ["--find", "--show", "--offset", &offset, "--sizelimit", &length, text(file)];
        Self(run("losetup", &options).trim().into())
    }
}

impl Loop {
    /// Reads of the device so far, and their bytes: the first and third number in
    /// `Documentation/block/stat.rst` of the kernel's tree.
    fn reads(&self) -> (u64, u64) {
        let name = self.0.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(format!("/sys/class/block/{name}/stat")).unwrap();
        let number = |index| text.split_whitespace().nth(index).unwrap().parse::<u64>().unwrap();
        (number(0), number(2) * 512)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ends_with_the_machine = Command::new("losetup").arg("-d").arg(&self.0).status();
    }
}

pub(crate) fn has_loop_devices() -> bool {
    let found = Command::new("losetup").arg("--find").output();
    found.is_ok_and(|output| output.status.success())
}

pub(crate) fn is_on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.into_iter().any(|folder| folder.join(tool).is_file())
}

/// Programs that look for a free loop device and then take it: two at a time may find the same one.
const TAKE_LOOP_DEVICES: [&str; 3] = ["losetup", "mount", "unshare"];

/// The output of a program that has to succeed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    static TAKING: Mutex<()> = Mutex::new(());
    let _until_taken = TAKE_LOOP_DEVICES
        .contains(&program)
        .then(|| TAKING.lock().unwrap_or_else(PoisonError::into_inner));
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output = Command::new(program).args(arguments).env("PATH", path).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// 8 MiB that can't be taken for zeros, or for a format.
static DATA: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8 | 1
    };
    (0..8 << 20).map(|_| next()).collect()
});
