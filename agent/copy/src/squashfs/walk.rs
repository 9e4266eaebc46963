//! An inode → the whole tree below it.

use anyhow::{Result, ensure};

use super::directory::Listing;
use super::inode::Inode;
use super::medium::Medium;
use super::{Reader, Reference};
use crate::visit::Visit;

/// The deepest tree. Nix makes none deeper: it names every file by its path, which has 4096 bytes at
/// most. An image whose folders hold each other has no bottom at all.
const MAX_DEPTH: usize = 2048;

impl<M: Medium> Reader<'_, M> {
    /// Tells the tree whose root is `reference`, under the name `name`.
    ///
    /// # Errors
    /// Part of it can't be read; or `visit`'s.
    pub fn walk(
        &mut self,
        reference: Reference,
        name: &[u8],
        visit: &mut impl Visit,
    ) -> Result<()> {
        // Not by recursion: the image decides how deep it goes.
        let mut open: Vec<Listing> = Vec::new();
        open.extend(self.node(reference, name, visit)?);
        while let Some(listing) = open.last_mut() {
            match self.next_entry(listing)? {
                Some(reference) => {
                    let folder = self.node(reference, &listing.name, visit)?;
                    open.extend(folder);
                    ensure!(open.len() <= MAX_DEPTH, "the folders are too deep");
                }
                None => {
                    visit.leave()?;
                    open.pop();
                }
            }
        }
        Ok(())
    }

    /// Tells a file or a link; a folder is to be listed yet.
    fn node(
        &mut self,
        reference: Reference,
        name: &[u8],
        visit: &mut impl Visit,
    ) -> Result<Option<Listing>> {
        match self.inode(reference)? {
            Inode::Directory(listing) => {
                visit.directory(name)?;
                return Ok(Some(listing));
            }
            Inode::File(file) => {
                visit.file(name, file.executable, file.size)?;
                self.content(&file, visit)?;
                visit.end()?;
            }
            Inode::Symlink(target) => visit.symlink(name, &target)?,
        }
        Ok(None)
    }
}
