//! A medium that carries a closure, and its registration → the closure in a target's store, checked.
//!
//! The stations, in the order in which data flows: [`registration`] says what is to be copied and
//! what it has to be; [`source`] is where it comes from, a [`squashfs`] image read without the
//! kernel or a plain folder; [`nar`] hashes what [`write`] writes; [`copy()`] does both in several
//! threads.
//!
//! The hashes come from the same medium as the data: they show damage, and not that both were
//! changed.

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

/// The copy was cancelled: not a failure of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl std::error::Error for Cancelled {}
