//! A tree of files → the SHA-256 and the size of its NAR, without the NAR being anywhere.
//!
//! The format is that of Eelco Dolstra's thesis, figure 5.2, and of `dumpPath` in Nix's
//! libutil/archive.cc: every string is its length as 64 bits, its bytes, and zeros up to a multiple
//! of 8.

use std::path::Path;

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::folder::FolderReader;
use crate::nar_hash::NarHash;
use crate::visit::Visit;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The hash and the size in bytes of the NAR of what is at `path`.
///
/// # Errors
/// It can't be read, or has something in it that a NAR can't hold.
pub fn of_path(path: &Path) -> Result<(NarHash, u64)> {
    let mut hasher = NarHasher::new();
    FolderReader::new().walk(path, b"", &mut hasher)?;
    Ok((hasher.clone().finish(), hasher.size()))
}

/// Hashes the NAR of the one tree that it visits.
#[derive(Clone)]
pub struct NarHasher {
    sha: Sha256,
    size: u64,
    depth: usize,
    /// Size of the file that is being read.
    file: u64,
}

impl NarHasher {
    /// Begins a NAR.
    pub fn new() -> Self {
        let mut hasher = Self { sha: Sha256::new(), size: 0, depth: 0, file: 0 };
        hasher.string(b"nix-archive-1");
        hasher
    }

    /// Bytes of the NAR so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hash of the NAR.
    pub fn finish(self) -> NarHash {
        NarHash(self.sha.finalize().into())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.sha.update(bytes);
        self.size += bytes.len() as u64;
    }

    fn padding(&mut self, length: u64) {
        let partial = (length % 8) as usize;
        if partial > 0 {
            self.bytes(&ZEROS[partial..8]);
        }
    }

    fn string(&mut self, text: &[u8]) {
        self.bytes(&(text.len() as u64).to_le_bytes());
        self.bytes(text);
        self.padding(text.len() as u64);
    }

    fn strings<const N: usize>(&mut self, texts: [&[u8]; N]) {
        for text in texts {
            self.string(text);
        }
    }

    fn open(&mut self, name: &[u8], kind: &[u8]) {
        if self.depth > 0 {
            self.strings([b"entry", b"(", b"name", name, b"node"]);
        }
        self.strings([b"(", b"type", kind]);
    }

    fn close(&mut self) {
        self.string(b")");
        if self.depth > 0 {
            self.string(b")");
        }
    }
}

impl Default for NarHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Visit for NarHasher {
    fn directory(&mut self, name: &[u8]) -> Result<()> {
        self.open(name, b"directory");
        self.depth += 1;
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        self.depth = self.depth.saturating_sub(1);
        self.close();
        Ok(())
    }

    fn file(&mut self, name: &[u8], executable: bool, size: u64) -> Result<()> {
        self.open(name, b"regular");
        if executable {
            self.strings([b"executable", b""]);
        }
        self.string(b"contents");
        self.bytes(&size.to_le_bytes());
        self.file = size;
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes(bytes);
        Ok(())
    }

    fn hole(&mut self, mut length: u64) -> Result<()> {
        while length > 0 {
            let part = length.min(ZEROS.len() as u64);
            self.bytes(&ZEROS[..part as usize]);
            length -= part;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.padding(self.file);
        self.close();
        Ok(())
    }

    fn symlink(&mut self, name: &[u8], target: &[u8]) -> Result<()> {
        self.open(name, b"symlink");
        self.strings([b"target", target]);
        self.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `nix hash path --type sha256 --base32` of each tree, and the length of `nix-store --dump`.
    #[test]
    fn hashes_are_those_of_nix() {
        let finish = |hasher: NarHasher| (hasher.size(), hasher.finish().to_string());

        let mut file = NarHasher::new();
        file.file(b"any", false, 5).unwrap();
        file.data(b"hello").unwrap();
        file.end().unwrap();
        assert_eq!(
            finish(file),
            (120, "sha256:0sg9f58l1jj88w6pdrfdpj5x9b1zrwszk84j81zvby36q9whhhqa".into())
        );

        let mut link = NarHasher::new();
        link.symlink(b"any", b"target").unwrap();
        assert_eq!(
            finish(link),
            (120, "sha256:0x67g3311ihxwarw846p2jc8wbxmv9bd8ryh7qjpp6d8yb56536b".into())
        );

        let mut tree = NarHasher::new();
        tree.directory(b"any").unwrap();
        tree.file(b"a", true, 70_000).unwrap();
        tree.hole(70_000).unwrap();
        tree.end().unwrap();
        tree.directory(b"b").unwrap();
        tree.leave().unwrap();
        tree.symlink(b"c", b"/nowhere").unwrap();
        tree.file(b"d", false, 0).unwrap();
        tree.end().unwrap();
        tree.leave().unwrap();
        assert_eq!(
            finish(tree),
            (70_856, "sha256:09chib3ycww4j65jybhgrjkj48ac34mp3scn69075imxsqxzz4nr".into())
        );
    }
}
