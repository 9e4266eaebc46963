//! Answers: text from somewhere → typed values that remember where they came from, or every error
//! at once.

pub mod account;
pub mod hostname;
pub mod identity;
pub mod password;
pub mod size;
pub mod ssh;
mod value;

pub use value::Invalid;
