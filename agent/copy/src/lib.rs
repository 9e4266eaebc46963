//! A medium that carries a closure, and its registration → the closure in a target's store, checked.
//!
//! The stations, in the order in which data flows: [`registration`] says what is to be copied and
//! what it has to be; [`source`] is where it comes from, a [`squashfs`] image read without the
//! kernel or a plain folder; [`nar`] hashes what [`write`] writes; [`copy()`] does both in several
//! threads.
//!
//! The hashes come from the same medium as the data: they show damage, but not a change of both.
//!
//! # Example
//!
//! ```
//! use nixvm_copy::registration::Entry;
//! use nixvm_copy::{Registration, Source, StorePath, copy, nar};
//!
//! let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
//! let path = StorePath::from_name("00000000000000000000000000000000-hello")?;
//! std::fs::write(from.path().join(path.name()), "hello\n")?;
//! let (hash, size) = nar::of_path(&from.path().join(path.name()))?;
//!
//! let mut registration = Registration::default();
//! let entry = Entry { hash, size, deriver: None, references: Vec::new() };
//! registration.insert(path.clone(), entry);
//! let source = Source::open(from.path())?;
//! copy(&source, &registration, to.path(), &mut |_progress| {}, &|| false)?;
//! assert_eq!(std::fs::read_to_string(path.below(to.path()))?, "hello\n");
//! # Ok::<(), anyhow::Error>(())
//! ```

mod checked;
mod copy;
mod folder;
pub mod nar;
pub mod nar_hash;
pub mod registration;
pub mod source;
pub mod squashfs;
pub mod store_path;
mod unregistered;
pub mod visit;
pub mod write;

use std::fmt;

pub use copy::copy;
pub use registration::Registration;
pub use source::Source;
pub use store_path::StorePath;
pub use unregistered::remove_unregistered;
pub use write::Writer;

/// How far a copy is, in NAR bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Written and checked.
    pub done: u64,
    /// Of so many, the same in every call.
    pub total: u64,
}

/// The copy was stopped on request, which is not a failure of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl std::error::Error for Cancelled {}
