//! The command line → what is done.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, bail};
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use nixvm_answers::account::Username;
use nixvm_answers::answers::{Erase, Finish, choice};
use nixvm_answers::disk::DiskRule;
use nixvm_answers::hostname::Hostname;
use nixvm_answers::ssh::{self, AuthorizedKey};
use nixvm_answers::{Answers, Problems, Source, document};

use crate::edit::{self, Options};
use crate::image::{Access, Image};
use crate::{copy, password};

/// What the help ends with.
const EXIT_STATUS: &str = "\
Exit status: 0 if it was done; 1 if it was not, and the message says why; 2 if the command line is \
wrong.";

/// Put your answers into a downloaded nixvm ISO.
///
/// The installer then asks for less, or for nothing. Only the place that the ISO reserves for
/// answers changes; what is published as its SHA-256 does, too.
#[derive(Debug, Parser)]
#[command(version, after_long_help = EXIT_STATUS)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the answers in an ISO.
    Show {
        /// The ISO.
        iso: PathBuf,
    },
    /// Put answers into an ISO.
    ///
    /// Without --answers, what the ISO has already stays, except for what the options say.
    Customize(Box<Customize>),
    /// Remove the answers from an ISO, so that it is again what was published.
    Reset {
        /// The ISO, which is changed unless --output is given.
        iso: PathBuf,
        /// Write a new ISO and leave the other one as it is.
        #[arg(short, long, value_name = "ISO")]
        output: Option<PathBuf>,
    },
    /// Check an answers file and show what it says.
    Validate {
        /// The file, in TOML.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Customize {
    /// The ISO, which is changed unless --output is given.
    iso: PathBuf,
    /// Begin with this answers file, in TOML, instead of with what the ISO has.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Host name, without a domain.
    #[arg(long)]
    hostname: Option<Hostname>,
    /// Login name of the account.
    #[arg(long)]
    username: Option<Username>,
    /// Public keys that may log in, such as ~/.ssh/id_ed25519.pub; may be given several times.
    ///
    /// They replace the keys that the answers have already.
    #[arg(long, value_name = "FILE")]
    ssh_key: Vec<PathBuf>,
    /// Ask for the account's password; only its hash is written.
    #[arg(long, conflicts_with = "password_hash")]
    password: bool,
    /// The account's password as `mkpasswd` writes it.
    ///
    /// Other users of this machine can see it while the command runs: rather use --password or
    /// --answers where there are any.
    #[arg(long, value_name = "HASH")]
    password_hash: Option<String>,
    /// Which disk: only, smallest, largest, /dev/…, or KEY=VALUE such as serial=X.
    #[arg(long, value_name = "RULE")]
    disk: Option<DiskRule>,
    /// When a disk may be erased without asking: blank, confirm or any.
    #[arg(long, value_name = "WHEN", value_parser = choice::<Erase>)]
    erase: Option<Erase>,
    /// What to do after the install: reboot, poweroff or wait.
    #[arg(long, value_name = "HOW", value_parser = choice::<Finish>)]
    finish: Option<Finish>,
    /// Write a new ISO and leave the other one as it is.
    #[arg(short, long, value_name = "ISO")]
    output: Option<PathBuf>,
}

/// Does what the command line says → what is to be read by whoever gave it.
///
/// # Errors
/// For the user: what could not be done, to what, and what to do about it.
pub fn run(arguments: Arguments) -> Result<String> {
    match arguments.command {
        Command::Show { iso } => {
            let text = read_text(&mut Image::open(&iso, Access::Read)?, &iso)?;
            Ok(document::show(&parse(&text)?))
        }
        Command::Customize(arguments) => customize(&arguments),
        Command::Reset { iso, output } => {
            let mut image = open(&iso, output.as_deref())?;
            let written = put(&mut image, &iso, output.as_deref(), "")?;
            Ok(format!("There are no answers in {} any more.\n", written.display()))
        }
        Command::Validate { file } => document::check(&file).map_err(listed),
    }
}

fn customize(arguments: &Customize) -> Result<String> {
    let output = arguments.output.as_deref();
    // What cannot succeed fails before anybody is asked for a password.
    let mut image = open(&arguments.iso, output)?;
    let base = match &arguments.answers {
        Some(file) => document::read_with_text(file).map_err(listed)?.1,
        None => read_text(&mut image, &arguments.iso)?,
    };
    let options = options(arguments)?;
    if arguments.answers.is_none() && options.is_empty() {
        bail!("there is nothing to put into the ISO: give --answers or one of the options");
    }
    let text = edit::apply(&base, &options)?;
    let answers = parse(&text)?;
    let written = put(&mut image, &arguments.iso, output, &text)?;
    Ok(format!("# in {} now:\n{}", written.display(), document::show(&answers)))
}

/// Opens the ISO to be changed, or to be copied to `output`.
fn open(iso: &Path, output: Option<&Path>) -> Result<Image> {
    let access = if output.is_some() { Access::Read } else { Access::Write };
    let image = Image::open(iso, access)?;
    output.map_or(Ok(()), |output| copy::ensure_new(iso, output))?;
    Ok(image)
}

/// Puts answers into the ISO, or into a copy of it → which of the two.
fn put<'p>(
    image: &mut Image,
    iso: &'p Path,
    output: Option<&'p Path>,
    text: &str,
) -> Result<&'p Path> {
    let Some(output) = output else {
        image.put(text).with_context(|| format!("cannot change {}", iso.display()))?;
        return Ok(iso);
    };
    // Nothing is shown where there is no terminal.
    let bar = ProgressBar::new(image.length()).with_style(
        ProgressStyle::with_template("{bar:32} {bytes} of {total_bytes}, {eta} left")
            .context("the progress bar's template is wrong")?,
    );
    copy::copy(image, output, text, &mut |done| bar.set_position(done))?;
    bar.finish_and_clear();
    Ok(output)
}

fn options(arguments: &Customize) -> Result<Options> {
    let mut ssh_keys = Vec::new();
    for file in &arguments.ssh_key {
        let keys = read_keys(file).with_context(|| format!("cannot use {}", file.display()))?;
        ssh_keys.extend(keys);
    }
    // Not parsed by clap, whose message would repeat what may be a password.
    let password_hash = match (&arguments.password_hash, arguments.password) {
        (Some(hash), _) => Some(hash.parse().context("cannot use --password-hash")?),
        (None, true) => Some(password::ask()?),
        (None, false) => None,
    };
    Ok(Options {
        hostname: arguments.hostname.clone(),
        username: arguments.username.clone(),
        ssh_keys,
        password_hash,
        disk: arguments.disk.clone(),
        erase: arguments.erase,
        finish: arguments.finish,
    })
}

fn read_keys(file: &Path) -> Result<Vec<AuthorizedKey>> {
    let bytes = File::open(file).and_then(document::read_limited)?;
    Ok(ssh::parse_file(document::text(&bytes)?)?)
}

fn read_text(image: &mut Image, iso: &Path) -> Result<String> {
    image.text().with_context(|| format!("cannot read the answers in {}", iso.display()))
}

fn parse(text: &str) -> Result<Answers> {
    Ok(document::parse(text.as_bytes(), Source::Iso).map_err(listed)?.answers)
}

fn listed(problems: Problems) -> Error {
    Error::msg(problems.report())
}
