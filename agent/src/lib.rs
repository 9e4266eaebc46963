//! The installer's rooms, in the order in which data flows through them; see README.md.

pub mod command;
pub mod manifest;
