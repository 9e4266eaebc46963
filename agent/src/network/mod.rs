//! The answers' interfaces → NetworkManager's files, and the adapters that they mean.
//!
//! NetworkManager is the network service of NixOS's installation media and of the installed system:
//! the live system's files and the target's are the same. [`crate::checks`] puts the former in force.

pub(crate) mod adapter;
pub(crate) mod keyfile;
