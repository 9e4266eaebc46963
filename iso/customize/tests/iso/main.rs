//! `nixvm-iso` on images of its own making and of xorriso's.

#![cfg(test)]

mod customize;
mod desk;
mod images;
mod killed;
mod large;
mod output;
mod portable;
mod program;
mod properties;
mod volume;
mod xorriso;
