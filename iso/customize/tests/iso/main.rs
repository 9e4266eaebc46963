//! `nixvm-iso` on images of its own making and of xorriso's.

#![cfg(test)]

mod customize;
mod images;
mod properties;
mod xorriso;
