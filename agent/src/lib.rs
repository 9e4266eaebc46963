//! The installer's rooms, in the order in which data flows through them; see agent/README.md.

pub mod checks;
pub mod cli;
pub mod command;
pub mod control;
pub mod daemon;
pub mod dbus;
pub mod disk;
pub mod event;
pub mod format;
pub mod install;
pub mod machine;
mod network;
pub mod plan;
pub mod screen;
pub mod session;
pub mod sinks;
pub mod sources;
