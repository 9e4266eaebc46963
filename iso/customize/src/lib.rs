//! An ISO and answers → the same ISO with the answers in the place that it reserves for them.
//!
//! Nothing else in the ISO changes or moves, so this takes neither Nix nor Linux. Programs use
//! [`image::Image`]: [`open`](image::Image::open) an ISO, then [`put`](image::Image::put) the text of
//! an answers file into it, or an empty one to reset it. The program itself is [`cli::run`].
//! Where the ISO can't be changed, [`volume::image`] makes a volume with answers to attach beside it.
//!
//! # Examples
//!
//! ```no_run
//! use std::path::Path;
//!
//! use nixvm_iso::image::{Access, Image};
//!
//! let mut image = Image::open(Path::new("nixvm.iso"), Access::Write)?;
//! image.put("hostname = 'web'\n")?;
//! assert_eq!(image.text()?, "hostname = 'web'\n");
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! A file that is not an ISO of nixvm is refused and left as it is:
//!
//! ```
//! use std::io::Cursor;
//!
//! use nixvm_iso::image::Image;
//!
//! let error = Image::find(Cursor::new(vec![0; 40_000])).unwrap_err();
//! assert!(error.to_string().contains("it is not an ISO image"));
//! ```

pub mod cli;
pub mod copy;
pub mod edit;
pub mod image;
pub mod iso9660;
mod options;
pub mod password;
pub mod place;
pub mod volume;
