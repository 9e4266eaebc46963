//! The D-Bus interface on a real bus, and the CLI as its client. Where there is no `dbus-daemon`, or
//! the tests do not run as root, they say that they are skipped.

#![cfg(test)]

mod cli;
mod daemon;
mod fixture;
mod policy;
