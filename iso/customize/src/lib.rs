//! An ISO and answers → the same ISO with the answers in the place that it reserves for them.
//!
//! Nothing else in the ISO changes or moves, so this takes neither Nix nor Linux.

pub mod cli;
pub mod copy;
pub mod edit;
pub mod image;
pub mod iso9660;
pub mod password;
