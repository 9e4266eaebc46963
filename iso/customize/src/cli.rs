//! The command line → an ISO changed or shown, or a volume made, and the text to print.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, bail};
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use nixvm_answers::first_boot::FirstBoot;
use nixvm_answers::password::PasswordHash;
use nixvm_answers::server::{Fingerprint, Server, ServerUrl};
use nixvm_answers::ssh::{self, AuthorizedKey};
use nixvm_answers::{Answers, Problems, Source, document};

use crate::image::{Access, Image};
use crate::options::KeyOptions;
use crate::{copy, edit, password, volume};

/// What the help ends with.
const EXIT_STATUS: &str = "\
Exit status: 0 on success; 1 on failure, with the reason on standard error; 2 if the command line \
is wrong.";

/// Put your answers into a downloaded nixvm ISO.
///
/// The installer then asks for less, or for nothing. Only the place that the ISO reserves for
/// answers changes; the ISO no longer has the SHA-256 it was published with.
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
        /// Print them as JSON, by the keys of an answers file; a password hash is masked.
        #[arg(long)]
        json: bool,
    },
    /// Put answers into an ISO.
    ///
    /// Without --answers, the answers in the ISO stay, except for those that the options replace.
    Customize(Box<Customize>),
    /// Remove the answers from an ISO, so that it is again as it was published.
    Reset {
        /// The ISO, which is changed unless --output is given.
        iso: PathBuf,
        /// Write a new ISO and leave the other one as it is.
        #[arg(short, long, value_name = "ISO")]
        output: Option<PathBuf>,
    },
    /// Make a volume with an answers file, to attach to a machine beside an ISO that stays as it is.
    ///
    /// It is a small CD image labelled NIXVM, which the installer finds by its label.
    Volume {
        /// The answers file, in TOML; - for standard input.
        answers: PathBuf,
        /// The image to write.
        #[arg(short, long, value_name = "IMAGE")]
        output: PathBuf,
    },
    /// Check an answers file and show the answers in it.
    Validate {
        /// The file, in TOML; - for standard input.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Customize {
    /// The ISO, which is changed unless --output is given.
    iso: PathBuf,
    /// Begin with this answers file, in TOML, instead of with the answers in the ISO; - for standard
    /// input.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    #[command(flatten)]
    keys: KeyOptions,
    /// Public keys that may log in, such as ~/.ssh/id_ed25519.pub; may be given several times.
    ///
    /// They replace the keys in the answers.
    #[arg(long, value_name = "FILE")]
    ssh_key: Vec<PathBuf>,
    /// Public keys that may log in as root to the live system, while it installs; may be given several
    /// times.
    ///
    /// They replace such keys in the answers.
    #[arg(long, value_name = "FILE")]
    live_ssh_key: Vec<PathBuf>,
    /// Ask for the account's password; only its hash is written.
    #[arg(long, conflicts_with = "password_hash")]
    password: bool,
    /// The account's password as `mkpasswd` writes it.
    ///
    /// Other users of this machine can see it while the command runs: where there are any, use
    /// --password, --password-hash-file or --answers.
    #[arg(long, value_name = "HASH")]
    password_hash: Option<String>,
    /// A file with the account's password as `mkpasswd` writes it; - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["password", "password_hash"])]
    password_hash_file: Option<PathBuf>,
    /// Where the installer fetches further answers from, by HTTPS.
    #[arg(long, value_name = "URL")]
    answers_url: Option<ServerUrl>,
    /// The SHA-256 fingerprint of that server's certificate; without it, an authority has to have
    /// signed the certificate.
    #[arg(long, value_name = "SHA-256", requires = "answers_url")]
    answers_fingerprint: Option<Fingerprint>,
    /// A file with a script that the installed system runs once; who has the ISO can read it.
    #[arg(long, value_name = "FILE")]
    first_boot_script: Option<PathBuf>,
    /// Where the installer sends word of how the install ended, by HTTPS.
    #[arg(long, value_name = "URL")]
    webhook_url: Option<ServerUrl>,
    /// The SHA-256 fingerprint of that server's certificate; without it, an authority has to have
    /// signed the certificate.
    #[arg(long, value_name = "SHA-256", requires = "webhook_url")]
    webhook_fingerprint: Option<Fingerprint>,
    /// Write a new ISO and leave the other one as it is.
    #[arg(short, long, value_name = "ISO")]
    output: Option<PathBuf>,
}

/// Runs a command → the text for standard output.
///
/// # Errors
/// The message is for the user: it names the file, the reason and, where there is one, the remedy.
pub fn run(arguments: Arguments) -> Result<String> {
    match arguments.command {
        Command::Show { iso, json } => {
            let text = read_text(&mut Image::open(&iso, Access::Read)?, &iso)?;
            let answers = parse(&text)?;
            match json {
                true => Ok(format!("{:#}\n", serde_json::to_value(&answers)?)),
                false => Ok(document::show(&answers)),
            }
        }
        Command::Customize(arguments) => customize(&arguments),
        Command::Reset { iso, output } => {
            let mut image = open(&iso, output.as_deref())?;
            let written = put(&mut image, &iso, output.as_deref(), "")?;
            Ok(format!("{} has no answers now.\n", written.display()))
        }
        Command::Volume { answers, output } => {
            let (given, text) = document::read_with_text(&answers).map_err(listed)?;
            copy::create(&output, &volume::image(&text)?)?;
            Ok(format!("# in {} now:\n{}", output.display(), document::show(&given.answers)))
        }
        Command::Validate { file } => document::check(&file).map_err(listed),
    }
}

fn customize(arguments: &Customize) -> Result<String> {
    let output = arguments.output.as_deref();
    // What cannot succeed fails before a password is asked for.
    let mut image = open(&arguments.iso, output)?;
    let stdin = [&arguments.answers, &arguments.password_hash_file];
    if stdin.into_iter().flatten().filter(|file| file.as_os_str() == "-").count() > 1 {
        bail!("only one of --answers and --password-hash-file can be standard input");
    }
    let base = match &arguments.answers {
        Some(file) => document::read_with_text(file).map_err(listed)?.1,
        None => read_text(&mut image, &arguments.iso)?,
    };
    let options = options(arguments)?;
    if arguments.answers.is_none() && options == Answers::default() {
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

/// The answers that the options give.
fn options(arguments: &Customize) -> Result<Answers> {
    let read = |files: &[PathBuf]| -> Result<Option<Vec<_>>> {
        let mut keys = Vec::new();
        for file in files {
            let read = read_keys(file).with_context(|| format!("cannot use {}", file.display()))?;
            keys.extend(read);
        }
        Ok(Some(keys).filter(|keys| !keys.is_empty()))
    };
    Ok(Answers {
        ssh_authorized_keys: read(&arguments.ssh_key)?,
        live_ssh_authorized_keys: read(&arguments.live_ssh_key)?,
        password_hash: password_hash(arguments)?,
        first_boot: match &arguments.first_boot_script {
            Some(file) => {
                Some(read_script(file).with_context(|| format!("cannot use {}", file.display()))?)
            }
            None => None,
        },
        server: server(&arguments.answers_url, arguments.answers_fingerprint),
        webhook: server(&arguments.webhook_url, arguments.webhook_fingerprint),
        ..arguments.keys.answers.clone()
    })
}

fn server(url: &Option<ServerUrl>, fingerprint: Option<Fingerprint>) -> Option<Server> {
    url.clone().map(|url| Server { url: Some(url), fingerprint })
}

fn read_script(file: &Path) -> Result<FirstBoot> {
    let bytes = File::open(file).and_then(document::read_limited)?;
    Ok(FirstBoot { script: document::text(&bytes)?.parse()? })
}

fn password_hash(arguments: &Customize) -> Result<Option<PasswordHash>> {
    // Not parsed by clap, whose message would repeat what may be a password.
    if let Some(hash) = &arguments.password_hash {
        return Ok(Some(hash.parse().context("cannot use --password-hash")?));
    }
    if let Some(file) = &arguments.password_hash_file {
        let hash = read_hash(file).with_context(|| format!("cannot use {}", file.display()))?;
        return Ok(Some(hash));
    }
    arguments.password.then(password::ask).transpose()
}

fn read_hash(file: &Path) -> Result<PasswordHash> {
    let bytes = match file.as_os_str() == "-" {
        true => document::read_limited(std::io::stdin().lock())?,
        false => File::open(file).and_then(document::read_limited)?,
    };
    Ok(document::text(&bytes)?.trim_end().parse()?)
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
