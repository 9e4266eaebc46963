//! The installer's rooms, in the order in which data flows through them; see agent/README.md.

pub mod account;
pub mod checks;
pub mod cli;
pub mod clock;
pub mod command;
pub mod daemon;
pub mod dbus;
pub mod disk;
pub mod event;
pub mod format;
pub mod install;
pub mod lock;
pub mod log;
pub mod machine;
mod network;
pub mod nix;
pub mod plan;
pub mod request;
pub mod screen;
pub mod session;
pub mod sinks;
pub mod sources;
