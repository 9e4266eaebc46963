//! Whole copies, from images as the tool makes them that NixOS uses.
//!
//! Where `mksquashfs` is not installed they are skipped; the rehearsal lab installs it.

#![cfg(test)]

mod damage;
mod desk;
mod hostile;
mod limits;
mod trees;
