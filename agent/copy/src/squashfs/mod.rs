//! A squashfs image → the trees in it, read without the kernel.
//!
//! Format 4.0 as in the kernel's Documentation/filesystems/squashfs.rst and in dr-emann's
//! description of it, as far as a Nix store needs it: folders, files and symbolic links, with zstd.
//! Every number in an image may be wrong: a bad one is an error, and no memory is taken because of
//! it but what [`Superblock`]'s block size (at most 1 MiB) allows.
//!
//! [`Image`] is shared; each thread has a [`Reader`] of its own. The one piece of data that readers
//! share is [`fragments`]: a block of 1 MiB holds the small files of many store paths.

mod bytes;
mod compression;
mod data;
mod directory;
mod fragments;
mod inode;
mod medium;
mod metadata;
mod superblock;
mod walk;

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

pub use inode::Reference;
pub use medium::{FileMedium, Medium};
pub use superblock::Superblock;

use compression::Decompressor;
use fragments::Fragments;
use inode::Inode;
use metadata::Metadata;

/// Fragments that are kept decompressed: so many MiB of memory at the usual block size.
const FRAGMENTS: usize = 24;

/// An image.
pub struct Image<M> {
    medium: M,
    superblock: Superblock,
    fragments: Fragments,
}

/// Reads an image, in one thread.
pub struct Reader<'a, M> {
    image: &'a Image<M>,
    medium: M,
    metadata: Metadata,
    decompressor: Decompressor,
    /// What is read from the medium, before it is decompressed.
    raw: Vec<u8>,
    /// A data block, decompressed.
    block: Vec<u8>,
}

impl Image<FileMedium> {
    /// Opens the image in a file or on a block device.
    ///
    /// # Errors
    /// It can't be read, is no squashfs 4.0, or is compressed in another way than zstd.
    pub fn open(path: &Path) -> Result<Self> {
        FileMedium::open(path)
            .map_err(Into::into)
            .and_then(Self::new)
            .with_context(|| format!("cannot read the image {}", path.display()))
    }
}

impl<M: Medium> Image<M> {
    /// Reads the image's first block.
    ///
    /// # Errors
    /// As [`Image::open`].
    pub fn new(medium: M) -> Result<Self> {
        let superblock = Superblock::read(&medium)?;
        Ok(Self { medium, superblock, fragments: Fragments::new(FRAGMENTS) })
    }

    /// A reader for one more thread.
    ///
    /// # Errors
    /// The medium can't be opened again, or there is no memory.
    pub fn reader(&self) -> Result<Reader<'_, M>> {
        Ok(Reader {
            image: self,
            medium: self.medium.reopen().context("cannot open the image again")?,
            metadata: Metadata::default(),
            decompressor: Decompressor::new()?,
            raw: Vec::new(),
            block: Vec::new(),
        })
    }
}

impl<M: Medium> Reader<'_, M> {
    /// Finds entries of the image's root folder by their names; those that are not wanted or not
    /// there are left out.
    ///
    /// # Errors
    /// The root folder can't be read.
    pub fn roots(&mut self, wanted: impl Fn(&[u8]) -> bool) -> Result<HashMap<Vec<u8>, Reference>> {
        let mut found = HashMap::new();
        let Inode::Directory(mut listing) = self.inode(self.image.superblock.root)? else {
            bail!("the image's root is no folder");
        };
        while let Some(reference) = self.next_entry(&mut listing)? {
            if wanted(&listing.name) {
                found.insert(listing.name.clone(), reference);
            }
        }
        Ok(found)
    }
}
