//! A folder with an ISO in it, and `nixvm-iso` run there.

use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;

use clap::Parser;
use nixvm_answers::area;
use nixvm_iso::cli::{Arguments, run};
use nixvm_iso::image::{Access, Image};

use crate::images::{empty_area, file, image};

/// An ISO as it is published, but small.
pub(crate) fn published() -> Vec<u8> {
    image(&[file("before", b"x"), empty_area(), file("nix-store.squashfs", &[7; 10_000])])
}

/// A folder for one test, with an image in it.
pub(crate) struct Desk {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) iso: PathBuf,
}

impl Desk {
    pub(crate) fn with(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let iso = folder.path().join("nixvm.iso");
        std::fs::write(&iso, bytes).expect("an image for the test");
        Self { folder, iso }
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file for the test");
        path
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.iso).expect("the image is there")
    }

    /// The bytes of the place for answers.
    pub(crate) fn area(&self) -> Range<usize> {
        let image = Image::open(&self.iso, Access::Read).expect("it has a place for answers");
        let at = image.area_offset() as usize;
        at..at + area::SIZE
    }

    /// The program itself, where it matters that it is one.
    pub(crate) fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nixvm-iso"));
        command.current_dir(self.folder.path());
        command
    }

    /// The program with limits that util-linux sets, or nothing where that is missing.
    pub(crate) fn limited(&self, limit: &str) -> Option<Command> {
        if Command::new("prlimit").arg("--version").output().is_err() {
            skip("there is no prlimit on PATH");
            return None;
        }
        let mut command = Command::new("prlimit");
        command.arg(limit).arg(env!("CARGO_BIN_EXE_nixvm-iso")).current_dir(self.folder.path());
        Some(command)
    }

    /// What `nixvm-iso COMMAND ISO OPTION...` writes, or its error with all causes.
    pub(crate) fn run(&self, command: &str, options: &[&str]) -> Result<String, String> {
        let iso = self.iso.to_str().expect("its name is text");
        let line = [&["nixvm-iso", command, iso], options].concat();
        let arguments = Arguments::try_parse_from(line).map_err(|error| error.to_string())?;
        run(arguments).map_err(|error| format!("{error:#}"))
    }
}

/// Says that a test is skipped, where the suite counts it: libtest keeps what is printed to itself.
pub(crate) fn skip(why: &str) {
    use std::io::Write;
    let _closed = writeln!(std::io::stderr(), "\nSKIPPED {why}");
}
