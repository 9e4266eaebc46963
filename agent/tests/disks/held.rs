//! A disk that is mounted where it can't be seen from here → in use.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use nixvm_agent::command::Runner;
use nixvm_agent::disk::eligibility::{self, Ineligible};
use nixvm_agent::disk::{Device, Disk, Kind, probe};

use crate::image::{self, Image, Loop, SIZE};

/// Says that the file system is mounted, and stays until its standard input ends.
const HOLD: &str = "mount \"$0\" /mnt && echo mounted && read -r _";

#[test]
fn a_file_system_that_is_mounted_in_another_namespace_is_in_use() {
    if !rustix::process::geteuid().is_root() || !image::has_loop_devices() {
        crate::skip("loop devices need root");
        return;
    }
    let image = Image::new();
    image.tool("mkfs.ext4", &["-q", "{}"]);
    let whole = Loop::new(&image.file, 0, SIZE);
    assert_eq!(reason(&whole.0), None);

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
    let held = reason(&whole.0);
    // Closes its standard input.
    let _ended_by_its_input = holder.wait();
    assert_eq!(held, Some(Ineligible::InUse { mounts: Vec::new() }));
    assert_eq!(held.unwrap().to_string(), "in use");
    assert_eq!(reason(&whole.0), None);
}

/// Why the disk can't be used, by what is read from it.
fn reason(node: &Path) -> Option<Ineligible> {
    let device = Device {
        kind: Kind::Disk,
        node: node.to_owned(),
        size_bytes: SIZE,
        sector_bytes: 512,
        ..Device::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let content = runtime.block_on(probe::content(&Runner::default(), &device)).unwrap();
    eligibility::check(&Disk { device, content }, false, None, 0).err()
}
