//! How a reader hands a tree of files to a writer: one call for each entry.

use anyhow::Result;

/// Takes a tree in the order of a NAR.
///
/// A folder comes before its entries, and these in the order in which they are stored; a NAR's is
/// that of their names' bytes. The first call names the root. An implementation trusts neither
/// names nor sizes: they may come from a damaged medium.
pub trait Visit {
    /// A folder begins; everything up to its [`Visit::leave`] is in it.
    ///
    /// # Errors
    /// As all of them: the tree can't be taken, and no further call follows.
    fn directory(&mut self, name: &[u8]) -> Result<()>;

    /// The innermost folder ends.
    fn leave(&mut self) -> Result<()>;

    /// A file of `size` bytes begins, which [`Visit::data`] and [`Visit::hole`] give.
    fn file(&mut self, name: &[u8], executable: bool, size: u64) -> Result<()>;

    /// The file's next bytes.
    fn data(&mut self, bytes: &[u8]) -> Result<()>;

    /// The file's next `length` bytes, all of them zero and not stored.
    fn hole(&mut self, length: u64) -> Result<()>;

    /// The file is complete.
    fn end(&mut self) -> Result<()>;

    /// A symbolic link.
    fn symlink(&mut self, name: &[u8], target: &[u8]) -> Result<()>;
}
