//! The command line → what is done.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use nixvm_answers::account::Username;
use nixvm_answers::answers::{Erase, Finish, choice};
use nixvm_answers::disk::DiskRule;
use nixvm_answers::hostname::Hostname;
use nixvm_answers::{Answers, Source, area, document, ssh};

use crate::edit::{self, Options};
use crate::image::{Access, Image};
use crate::{copy, password};

/// Put your answers into a downloaded nixvm ISO.
///
/// The installer then asks for less, or for nothing. Only the place that the ISO reserves for
/// answers changes; what is published as its SHA-256 does, too.
#[derive(Debug, Parser)]
#[command(version)]
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
        /// The ISO.
        iso: PathBuf,
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
    /// Begin with this answers file, in TOML, instead of what the ISO has.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Host name, without a domain.
    #[arg(long)]
    hostname: Option<Hostname>,
    /// Login name of the account.
    #[arg(long)]
    username: Option<Username>,
    /// Public keys that may log in, such as ~/.ssh/id_ed25519.pub; may be given several times.
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

/// Does what the command line says, and writes what is to be read to `out`.
///
/// # Errors
/// For the user: what could not be done, to what, and what to do about it.
pub fn run(arguments: Arguments, out: &mut dyn Write) -> Result<()> {
    match arguments.command {
        Command::Show { iso } => show(&iso, out),
        Command::Customize(arguments) => customize(&arguments, out),
        Command::Reset { iso } => reset(&iso, out),
        Command::Validate { file } => {
            write!(out, "{}", document::show(&document::read(&file).map_err(listed)?.answers))?;
            Ok(())
        }
    }
}

fn show(iso: &Path, out: &mut dyn Write) -> Result<()> {
    let text = read_text(&mut Image::open(iso, Access::Read)?, iso)?;
    write!(out, "{}", document::show(&parse(&text)?))?;
    Ok(())
}

fn customize(arguments: &Customize, out: &mut dyn Write) -> Result<()> {
    let access = if arguments.output.is_some() { Access::Read } else { Access::Write };
    let mut image = Image::open(&arguments.iso, access)?;
    // What cannot succeed fails before anybody is asked for a password.
    arguments.output.as_deref().map_or(Ok(()), copy::ensure_free)?;
    let base = match &arguments.answers {
        Some(file) => {
            document::read(file).map_err(listed)?;
            std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?
        }
        None => read_text(&mut image, &arguments.iso)?,
    };
    let options = options(arguments)?;
    if arguments.answers.is_none() && options.is_empty() {
        bail!("there is nothing to put into the ISO: give --answers or one of the options");
    }
    let text = edit::apply(&base, &options)?;
    let answers = parse(&text)?;
    let area = area::encode(&text)?;
    let written = match &arguments.output {
        Some(output) => {
            let bar = ProgressBar::new(image.length()).with_style(
                ProgressStyle::with_template("{bar:32} {bytes} of {total_bytes}, {eta} left")
                    .context("the progress bar's template is wrong")?,
            );
            copy::copy(&mut image, output, &area, &mut |done| bar.set_position(done))?;
            bar.finish_and_clear();
            output
        }
        None => {
            let name = arguments.iso.display();
            image.write(&area).with_context(|| format!("cannot change {name}"))?;
            &arguments.iso
        }
    };
    writeln!(out, "# in {} now:", written.display())?;
    write!(out, "{}", document::show(&answers))?;
    Ok(())
}

fn options(arguments: &Customize) -> Result<Options> {
    let mut ssh_keys = Vec::new();
    for file in &arguments.ssh_key {
        let keys = std::fs::read_to_string(file)
            .map_err(anyhow::Error::from)
            .and_then(|text| Ok(ssh::parse_file(&text)?));
        ssh_keys.extend(keys.with_context(|| format!("cannot use {}", file.display()))?);
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

fn reset(iso: &Path, out: &mut dyn Write) -> Result<()> {
    let mut image = Image::open(iso, Access::Write)?;
    image.write(&area::encode("")?).with_context(|| format!("cannot change {}", iso.display()))?;
    Ok(writeln!(out, "There are no answers in {} any more.", iso.display())?)
}

fn read_text(image: &mut Image, iso: &Path) -> Result<String> {
    image.text().with_context(|| format!("cannot read the answers in {}", iso.display()))
}

fn parse(text: &str) -> Result<Answers> {
    Ok(document::parse(text.as_bytes(), Source::Iso).map_err(listed)?.answers)
}

/// The problems, below a line that says what they are.
fn listed(problems: nixvm_answers::Problems) -> anyhow::Error {
    anyhow::anyhow!("the answers cannot be used:\n{problems}")
}
