//! The installer's rooms, in the order in which data flows through them; see README.md.

pub mod command;
pub mod disk;
pub mod layout;
pub mod machine;
pub mod manifest;
pub mod step;
#[cfg(test)]
mod testing;
pub mod text;
