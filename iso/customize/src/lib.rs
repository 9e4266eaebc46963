//! An ISO and answers → the same ISO with the answers in the place that it reserves for them.
//!
//! Nothing else in the ISO changes or moves, so this takes neither Nix nor Linux. Programs use
//! [`image::Image`]: [`open`](image::Image::open) an ISO, then [`put`](image::Image::put) the text of
//! an answers file into it, or an empty one to reset it. What the user does is [`cli::run`].

pub mod cli;
pub mod copy;
pub mod edit;
pub mod image;
pub mod iso9660;
pub mod password;
pub mod place;
