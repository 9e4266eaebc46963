//! Images of the size of a real one: what is read of them, and in how much memory.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::{Read, Result, Seek, SeekFrom};
use std::rc::Rc;

use nixvm_iso::image::Image;

use crate::desk::Desk;
use crate::images::{empty_area, file, image};

const GIB: u64 = 1 << 30;

/// An ISO with a file of almost 4 GiB at its end, whose content is left out.
fn headed(length: u32) -> Vec<u8> {
    let mut bytes = image(&[empty_area(), file("nix-store.squashfs", b"x")]);
    let name = bytes.windows(20).position(|part| part == b"NIX-STORE.SQUASHFS;1").unwrap();
    bytes[name - 33 + 10..][..4].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// The beginning of an image, and zeros up to its length; what is read is counted.
struct Counted {
    bytes: Vec<u8>,
    length: u64,
    at: u64,
    read: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let left = self.length.saturating_sub(self.at);
        let count = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let known = self.bytes.get(self.at as usize..).unwrap_or_default();
        let copied = count.min(known.len());
        buffer[..copied].copy_from_slice(&known[..copied]);
        buffer[copied..count].fill(0);
        self.at += count as u64;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => self.length.saturating_add_signed(by),
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

/// Bytes read to find the place for answers in an image that is this long.
fn read_of(bytes: Vec<u8>, length: u64) -> u64 {
    let read = Rc::new(Cell::new(0));
    Image::find(Counted { bytes, length, at: 0, read: read.clone() }).unwrap().text().unwrap();
    read.get()
}

#[test]
fn a_large_file_in_the_image_is_not_read() {
    let small = read_of(headed(1), GIB / 1024);
    let large = read_of(headed(u32::MAX - 2047), 4 * GIB);
    assert!(large < small + small / 10, "{large} of 4 GiB, {small} of 1 MiB");
}

#[test]
fn a_large_gap_in_the_image_is_not_read_to_its_end() {
    let read = read_of(headed(1), 64 * GIB);
    assert!(read < GIB / 16, "{read} of 64 GiB");
}

/// 20 MB for all that the program maps: code, libraries, stack and heap. In memory is less of it.
#[test]
fn a_large_image_takes_no_more_memory_than_a_small_one() {
    let desk = Desk::with(&headed(u32::MAX - 2047));
    let iso = OpenOptions::new().write(true).open(&desk.iso).unwrap();
    iso.set_len(4 * GIB).unwrap();
    let new = desk.folder.path().join("new.iso");
    for arguments in [
        vec!["customize", "nixvm.iso", "--hostname", "web"],
        vec!["show", "nixvm.iso"],
        vec!["reset", "nixvm.iso"],
    ] {
        let Some(mut limited) = desk.limited("--as=20000000") else { return };
        let output = limited.args(&arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
    // A copy is made in stretches: 128 MiB of it, to spare the disk.
    let desk = Desk::with(&headed(1));
    OpenOptions::new().write(true).open(&desk.iso).unwrap().set_len(GIB / 8).unwrap();
    let Some(mut limited) = desk.limited("--as=20000000") else { return };
    limited.args(["customize", "nixvm.iso", "--hostname", "web", "-o"]).arg(&new);
    let output = limited.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(new.metadata().unwrap().len(), GIB / 8);
}
