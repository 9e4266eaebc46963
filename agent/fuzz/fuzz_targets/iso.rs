//! Any bytes, as an ISO and as damage to one: answers are put into it, or it stays as it is.
//!
//! `cargo +nightly fuzz run iso -- -max_total_time=600` in agent.

#![no_main]

#[path = "../../../iso/customize/tests/iso/images.rs"]
#[allow(dead_code)]
mod images;

use std::cell::Cell;
use std::io::{Cursor, Read, Result, Seek, SeekFrom, Write};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use nixvm_answers::area;
use nixvm_iso::image::{Image, Store};

/// The first sector that is not empty.
const DESCRIPTOR: usize = 16 * 2048;

const TEXT: &str = "hostname = \"web\"\n";

static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let store = images::file("nix-store.squashfs", &[7; 5000]);
    images::image(&[images::file("before", b"x"), images::empty_area(), store])
});

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let image = match kind % 3 {
        // The fuzzer's alone, after the sectors that ISO 9660 leaves unused.
        0 => [&vec![0; DESCRIPTOR], bytes].concat(),
        // Descriptors and directories by the fuzzer: what is zero stays as it was.
        1 => {
            let mut image = WHOLE.clone();
            let place = &mut image[DESCRIPTOR..][..5 * 2048];
            place.iter_mut().zip(bytes).for_each(|(old, new)| *old ^= new);
            image
        }
        // Single bytes anywhere, each after three with its position.
        _ => {
            let mut image = WHOLE.clone();
            for damage in bytes.chunks_exact(4) {
                let at = u32::from_le_bytes([damage[0], damage[1], damage[2], 0]) as usize;
                let at = DESCRIPTOR + at % (image.len() - DESCRIPTOR);
                image[at] = damage[3];
            }
            image
        }
    };
    check(&image);
});

fn check(before: &[u8]) {
    let read = Cell::new(0);
    let memory = Memory { bytes: Cursor::new(before.to_vec()), read: &read };
    let found = Image::find(memory);
    // Directories may lie on one another, but only so much of them is read.
    assert!(read.get() < 10 * before.len() + (16 << 20), "{} read", read.get());
    let Ok(mut image) = found else { return };
    let at = image.area_offset() as usize;
    let _either = image.text();
    image.put(TEXT).expect("there is a place for it");
    assert_eq!(image.text().expect("it was put there"), TEXT);
    let mut image = Image::find(image.into_store()).expect("the place is still there");
    image.put("").expect("there is a place for it");
    let after = image.into_store().bytes.into_inner();
    assert_eq!(after.len(), before.len());
    assert!(after[..at] == before[..at] && after[at + area::SIZE..] == before[at + area::SIZE..]);
}

/// An image in memory; what is read is counted.
struct Memory<'r> {
    bytes: Cursor<Vec<u8>>,
    read: &'r Cell<usize>,
}

impl Read for Memory<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.read.set(self.read.get() + count);
        Ok(count)
    }
}

impl Write for Memory<'_> {
    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        self.bytes.write(buffer)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Seek for Memory<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.bytes.seek(to)
    }
}

impl Store for Memory<'_> {
    fn sync(&mut self) -> Result<()> {
        Ok(())
    }
}
