//! `nixvm-iso` killed while it writes in place, at every byte at which that makes a difference.

use std::io::{Cursor, Read, Result, Seek, SeekFrom, Write};

use nixvm_answers::area;
use nixvm_iso::image::{Image, Store};

use crate::desk::{Desk, published};

const OLD: &str = "# longer than what follows\nhostname = \"old\"\nusername = \"ada\"\n";
const NEW: &str = "hostname = \"web\"\nerase = \"confirm\"\n";

/// Bytes of the header and of the longer text. After them both areas have the same bytes, so that
/// it makes no difference where among those a write ends.
const DIFFERENT: usize = area::SIZE - area::CAPACITY + OLD.len();

/// An image whose writing ends after some bytes, for good or once.
struct Failing {
    bytes: Cursor<Vec<u8>>,
    left: usize,
    recovers: bool,
}

impl Failing {
    fn after(bytes: &[u8], left: usize, recovers: bool) -> Self {
        Self { bytes: Cursor::new(bytes.to_vec()), left, recovers }
    }
}

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.bytes.read(buffer)
    }
}

impl Seek for Failing {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.bytes.seek(to)
    }
}

impl Write for Failing {
    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        if self.left == 0 {
            self.left = if self.recovers { usize::MAX } else { 0 };
            return Err(std::io::Error::other("the disk is full"));
        }
        let count = self.bytes.write(&buffer[..buffer.len().min(self.left)])?;
        self.left -= count;
        Ok(count)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Store for Failing {
    fn sync(&mut self) -> Result<()> {
        if self.left == 0 { Err(std::io::Error::other("the disk is full")) } else { Ok(()) }
    }
}

/// The ISO with the old answers.
fn before() -> Vec<u8> {
    let desk = Desk::with(&published());
    let answers = desk.write("answers.toml", OLD);
    desk.run("customize", &["--answers", answers.to_str().unwrap()]).unwrap();
    desk.bytes()
}

/// What `show` would read, after checking that the rest of the image is as it was.
fn left_behind(before: &[u8], after: &[u8]) -> std::result::Result<String, String> {
    let mut image = Image::find(Cursor::new(after)).expect("the place is still found");
    let at = image.area_offset() as usize;
    assert!(after[..at] == before[..at]);
    assert!(after[at + area::SIZE..] == before[at + area::SIZE..]);
    image.text().map_err(|error| error.to_string())
}

#[test]
fn a_write_that_ends_at_any_byte_leaves_old_answers_or_new_ones_or_a_torn_area() {
    let before = before();
    let (mut old, mut torn, mut new) = (0, 0, 0);
    for written in (0..=DIFFERENT).chain([area::SIZE - 1]) {
        let mut image = Image::find(Failing::after(&before, written, false)).unwrap();
        let error = format!("{:#}", image.put(NEW).unwrap_err());
        assert!(error.contains("may be damaged now") && error.contains("disk is full"), "{error}");
        match left_behind(&before, &image.into_store().bytes.into_inner()) {
            Ok(text) if text == OLD => old += 1,
            Ok(text) if text == NEW => new += 1,
            Ok(text) => panic!("half read after {written} bytes: {text}"),
            Err(error) => {
                torn += 1;
                assert!(error.contains("cut short") && error.contains("reset"), "{error}");
            }
        }
    }
    assert!(old > 0 && torn > DIFFERENT / 2 && new > 0, "{old} old, {torn} torn, {new} new");
}

#[test]
fn a_write_that_fails_once_puts_the_old_answers_back() {
    let before = before();
    for written in (0..DIFFERENT).step_by(7).chain([area::SIZE - 1]) {
        let mut image = Image::find(Failing::after(&before, written, true)).unwrap();
        let error = format!("{:#}", image.put(NEW).unwrap_err());
        assert!(error.contains("those from before are back"), "{error}");
        assert!(image.into_store().bytes.into_inner() == before);
    }
}

/// The program itself: the kernel ends it where a file grows beyond its limit.
#[test]
fn the_program_killed_at_any_byte_leaves_an_iso_that_can_be_repaired() {
    let before = before();
    let desk = Desk::with(&before);
    let at = desk.area().start;
    let answers = desk.write("new.toml", NEW);
    for written in (0..DIFFERENT).step_by(11).chain([4096, area::SIZE - 1, area::SIZE]) {
        std::fs::write(&desk.iso, &before).unwrap();
        let Some(mut killed) = desk.limited(&format!("--fsize={}", at + written)) else { return };
        let arguments = ["customize", "nixvm.iso", "--answers", "new.toml"];
        let status = killed.args(arguments).output().unwrap().status;
        assert_eq!(status.success(), written == area::SIZE);
        let after = desk.bytes();
        match left_behind(&before, &after) {
            Ok(text) => assert!(text == OLD || text == NEW, "half read after {written}: {text}"),
            Err(_) => {
                let error = desk.run("show", &[]).unwrap_err();
                assert!(error.contains("cut short") && error.contains("reset"), "{error}");
                let error = desk.run("customize", &["--hostname", "web"]).unwrap_err();
                assert!(error.contains("nixvm-iso reset"), "{error}");
                assert!(desk.bytes() == after, "a torn area is not built upon");
                desk.run("customize", &["--answers", answers.to_str().unwrap()]).unwrap();
                assert!(desk.run("show", &[]).unwrap().contains("hostname = \"web\""));
            }
        }
        desk.run("reset", &[]).unwrap();
        assert!(desk.bytes() == published(), "reset gives back what was published");
    }
}
