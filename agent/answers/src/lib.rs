//! Answers: text from any source → typed values with their sources, or every mistake at once.
//!
//! The installer on the ISO and `nixvm-iso` on any machine share it: the table of [`keys`] and their
//! values' rules, the two ways to write them ([`document`], [`command_line`]), the precedence of
//! sources ([`resolve()`]), and the bytes that an ISO reserves for them ([`area`]). Of what is written for
//! others, [`nocloud`] and [`credential`] take what nixvm has an answer for.
//!
//! # Example
//!
//! ```
//! use nixvm_answers::resolve::Defaults;
//! use nixvm_answers::{Source, command_line, document, resolve};
//!
//! let baked = document::parse(b"hostname = 'web'\nerase = 'any'\n", Source::Iso);
//! let typed = command_line::parse("ro quiet nixvm.hostname=db");
//! let defaults = Defaults {
//!     hostname: "nixvm".parse()?,
//!     username: "ht".parse()?,
//!     full_name: None,
//!     keymap: None,
//!     locale: None,
//!     timezone: None,
//!     proxy: None,
//!     countdown: "10".parse()?,
//! };
//! let answers = resolve([baked, typed], defaults)?;
//! assert_eq!(answers.hostname.value.as_str(), "db");
//! assert_eq!(answers.hostname.source, Source::CommandLine);
//! assert_eq!(answers.erase.source, Source::Iso);
//! assert_eq!(answers.finish.source, Source::Default);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Adding a key
//!
//! Add a row to the table at the end of `keys.rs`, and a line to `fixtures/answers.toml`, which has
//! every key; a key with a type of its own also needs that type to be a `Form` (`form.rs`): a choice
//! made by `choices!` and a text made by `checked_text!` are one word in a list there. Parsing,
//! merging, the resolved value, the rows of the screen and of the plan, the schema, the kernel's
//! command line and the option of `nixvm-iso` follow. `tests/keys.rs` tries all of them for each key;
//! `UPDATE_EXPECT=1 cargo test -p nixvm-answers` writes the schema anew.

pub mod account;
pub mod adapter;
pub mod answers;
pub mod area;
pub mod command_line;
pub mod credential;
pub mod disk;
pub mod document;
pub mod domain;
pub mod first_boot;
mod form;
pub mod generated_password;
pub mod hashing;
pub mod hostname;
pub mod identity;
pub mod interface;
pub mod keymap;
pub mod keys;
mod listed;
pub mod locale;
pub mod network;
pub mod nocloud;
pub mod password;
pub mod problem;
pub mod proxy;
pub mod resolve;
pub mod schema;
pub mod selection;
pub mod server;
pub mod size;
pub mod source;
pub mod ssh;
pub mod timezone;
mod url;
mod value;

pub use form::Written;
pub use keys::Answers;
pub use problem::{Problem, Problems};
pub use resolve::{Resolved, SourceAnswers, resolve};
pub use source::{Source, Sourced};
pub use value::Invalid;
