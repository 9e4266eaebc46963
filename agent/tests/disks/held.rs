//! A disk that is mounted where the mount table does not show it, or on which a file is behind a loop
//! device → what it is in use by.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nixvm_agent::command::Runner;
use nixvm_agent::disk::describe::Mounts;
use nixvm_agent::disk::in_use;

use crate::image::{self, Image, Loop, SIZE};

/// Says that the file system is mounted, with a file in it, and stays until its standard input ends.
const HOLD: &str = "mount \"$0\" /mnt && truncate -s 1M /mnt/file && echo mounted && read -r _";

#[test]
fn a_file_system_that_is_mounted_in_another_namespace_is_in_use_and_so_is_that_of_a_loop_devices_file()
 {
    if !rustix::process::geteuid().is_root() || !image::has_loop_devices() {
        crate::skip("loop devices need root");
        return;
    }
    let image = Image::new();
    image.tool("mkfs.ext4", &["-q", "{}"]);
    let whole = Loop::new(&image.file, 0, SIZE);
    assert_eq!(used_by(&whole.0), (vec![], vec![]));
    let above = Loop::new(&whole.0, 0, SIZE);
    let name = above.0.to_string_lossy().into_owned();
    assert_eq!(used_by(&whole.0), (vec![], vec![name]));
    drop(above);

    let mut holder = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", HOLD])
        .arg(&whole.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "mounted\n");
    assert_eq!(used_by(&whole.0), (vec!["a mounted ext4".to_owned()], vec![]));
    let file = format!("/proc/{}/root/mnt/file", holder.id());
    let inner = Loop::new(Path::new(&file), 0, 1 << 20);
    let held = used_by(&whole.0);
    let name = inner.0.to_string_lossy().into_owned();
    drop(inner);
    // Closes its standard input.
    let _ended_by_its_input = holder.wait();
    assert_eq!(held, (vec!["a mounted ext4".to_owned()], vec![name]));
}

/// By file systems, and by loop devices.
fn used_by(node: &Path) -> (Vec<String>, Vec<String>) {
    let number = node.metadata().unwrap().rdev();
    let number = (rustix::fs::major(number), rustix::fs::minor(number));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let loop_files = runtime.block_on(in_use::loop_files(&Runner::default())).unwrap();
    let by = |found: Mounts| found.get(&number).cloned().unwrap_or_default();
    (by(in_use::file_systems().unwrap()), by(loop_files))
}
