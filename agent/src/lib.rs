//! The installer's rooms, in the order in which data flows through them; see README.md.

pub mod board;
pub mod bus;
pub mod checks;
pub mod cli;
pub mod command;
pub mod configuration;
pub mod console;
pub mod daemon;
pub mod disk;
pub mod event;
pub mod install;
pub mod installer;
pub mod journald;
pub mod layout;
pub mod lines;
pub mod machine;
pub mod outlet;
pub mod plan;
pub mod port;
pub mod request;
pub mod screen;
pub mod sources;
pub mod status;
pub mod step;
#[cfg(test)]
mod testing;
pub mod text;
pub mod transcript;
