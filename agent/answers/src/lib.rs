//! Answers: text from somewhere → typed values that remember where they came from, or every error
//! at once.
//!
//! One place for what the installer on the ISO and `nixvm-iso` on anybody's machine both need: the
//! values and their rules ([`answers`]), the two ways to write them ([`document`], [`command_line`]),
//! the precedence of sources ([`resolve()`]), and the bytes an ISO reserves for them ([`area`]).

pub mod account;
pub mod answers;
pub mod area;
pub mod command_line;
pub mod disk;
pub mod document;
mod fields;
pub mod hashing;
pub mod hostname;
pub mod identity;
pub mod password;
pub mod problem;
pub mod resolve;
pub mod schema;
pub mod selection;
pub mod size;
pub mod source;
pub mod ssh;
mod value;

pub use answers::Answers;
pub use problem::{Problem, Problems};
pub use resolve::{Resolved, SourceAnswers, resolve};
pub use source::{Source, Sourced};
pub use value::Invalid;
