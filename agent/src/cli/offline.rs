//! What needs no running installer.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;

use anyhow::{Context, Result};
use clap::CommandFactory;
use nixvm_answers::{Source, document};

use super::Arguments;
use super::code::{Code, Failure};
use crate::command::log;

/// The path that means standard input.
const STDIN: &str = "-";

/// Checks an answers file and prints what it says, without its secret.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn validate(file: &Path, out: &mut dyn Write) -> Result<Code> {
    let text = if file == Path::new(STDIN) {
        let bytes =
            document::read_limited(std::io::stdin()).context("cannot read standard input")?;
        let source = Source::File { path: file.to_owned() };
        document::show(&document::parse(&bytes, source).map_err(wrong)?.answers)
    } else {
        document::check(file).map_err(wrong)?
    };
    out.write_all(text.as_bytes())?;
    Ok(Code::Done)
}

/// The text of an answers file, which is not checked.
///
/// # Errors
/// It can't be read, is too long, or is not text in UTF-8.
pub(super) fn read(file: &Path) -> Result<String> {
    let about = || format!("cannot read {}", file.display());
    let bytes = if file == Path::new(STDIN) {
        document::read_limited(std::io::stdin())
    } else {
        File::open(file).and_then(document::read_limited)
    };
    Ok(document::text(&bytes.with_context(about)?).with_context(about)?.to_owned())
}

/// The problems, below a line that says what they are.
pub(super) fn wrong(problems: nixvm_answers::Problems) -> anyhow::Error {
    anyhow::anyhow!("the answers cannot be used:\n{problems}")
}

/// Prints the install's log, and what is added to it if `follow`.
///
/// # Errors
/// There is none, or this user may not read it.
pub(super) fn logs(follow: bool, out: &mut dyn Write) -> Result<()> {
    let path = Path::new(log::PATH);
    let mut log = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            let message = format!("there is no log, {}: the installer did not run", path.display());
            Failure::new(Code::Unreachable, message)
        }
        ErrorKind::PermissionDenied => {
            Failure::new(Code::PermissionDenied, "only root may read the log")
        }
        _ => Failure::new(Code::Failed, format!("cannot read the log {}: {error}", path.display())),
    })?;
    if follow {
        let tail = ["--lines=+1", "--follow=name", "--"];
        let error = std::process::Command::new("tail").args(tail).arg(path).exec();
        return Err(error).context("cannot start tail");
    }
    std::io::copy(&mut log, out).with_context(|| format!("cannot print {}", path.display()))?;
    Ok(())
}

/// Prints a shell's completions.
pub(super) fn completions(shell: clap_complete::Shell, mut out: &mut dyn Write) {
    clap_complete::generate(shell, &mut Arguments::command(), "nixvm-agent", &mut out);
}

/// Writes a page of the manual for the program and one for each command.
///
/// # Errors
/// The folder can't be written.
pub(super) fn manual(folder: &Path) -> Result<()> {
    let about = || format!("cannot write the manual to {}", folder.display());
    std::fs::create_dir_all(folder).with_context(about)?;
    clap_mangen::generate_to(Arguments::command(), folder).with_context(about)
}
