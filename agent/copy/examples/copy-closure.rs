//! Copies a closure as the installer does, up to the registration: for benchmarks, and by hand.
//!
//! `copy-closure IMAGE REGISTRATION ROOT [STORE-PATH…]`; without store paths, everything that is
//! registered.

#![allow(clippy::print_stderr, reason = "a command line tool")]

use std::path::Path;

use anyhow::{Context, Result, bail};
use nixvm_copy::{Registration, Source, StorePath, copy};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, registration, root, paths @ ..] = &arguments[..] else {
        bail!("usage: copy-closure IMAGE REGISTRATION ROOT [STORE-PATH...]");
    };
    let text = std::fs::read_to_string(registration)
        .with_context(|| format!("cannot read {registration}"))?;
    let mut registered = Registration::parse(&text)?;
    drop(text);
    if !paths.is_empty() {
        let roots: Vec<_> = paths.iter().map(|p| StorePath::parse(p)).collect::<Result<_>>()?;
        registered = registered.closure(&roots)?;
    }
    let source = Source::open(Path::new(image))?;
    let mut last = 0;
    let mut progress = |progress: nixvm_copy::Progress| {
        let percent = (progress.done * 100).checked_div(progress.total).unwrap_or(100);
        if percent / 10 > last {
            last = percent / 10;
            eprintln!("{percent} %");
        }
    };
    copy(&source, &registered, Path::new(root), &mut progress, &|| false)
}
