//! A subcommand that controls the installer → a D-Bus method call.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result};
use nixvm_answers::document;
use nixvm_answers::password::Secret;
use nixvm_answers::source::Source;

use super::client::{Client, Options, explain};
use super::code::{Code, Failure};
use super::show;
use crate::dbus;
use crate::format::printable;

/// Chooses a disk by its name or one of its device files.
///
/// # Errors
/// There is no such disk, or it can't be installed to.
pub(super) async fn select(client: &Client, disk: &Path) -> Result<()> {
    let device = if disk.has_root() { disk.to_owned() } else { Path::new("/dev").join(disk) };
    // A link from /dev/disk is followed; a name that is no file is left for the installer to judge.
    let device = device.canonicalize().unwrap_or(device);
    let name = device.strip_prefix("/dev").unwrap_or(&device).to_string_lossy().replace('/', "!");
    let attached = client.snapshot().await?.status.disks;
    if !attached.iter().any(|one| one.name == name) {
        let names: Vec<_> = attached.iter().map(|one| one.name.as_str()).collect();
        let message =
            format!("no disk {} is attached; there are: {}", disk.display(), names.join(", "));
        return Err(Failure::new(Code::RequestRefused, message).into());
    }
    client.installer.select_disk(&dbus::path_of(&name), Options::new()).await.map_err(explain)
}

/// Confirms the plan of `token`, or the one that is shown if its disk's name is typed.
///
/// # Errors
/// The plan has changed, or there is no terminal to ask on.
pub(super) async fn confirm(
    client: &Client,
    token: Option<String>,
    out: &mut dyn Write,
) -> Result<()> {
    let token = match token {
        Some(token) => token,
        None => consented(client, out).await?,
    };
    client.installer.confirm(&token, Options::new()).await.map_err(explain)
}

async fn consented(client: &Client, out: &mut dyn Write) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        let message = "standard input is no terminal to confirm on: give the token that `nixvm-agent plan` shows";
        return Err(Failure::new(Code::RequestRefused, message).into());
    }
    let status = client.decided().await?.status;
    let plan = show::planned(&status)?;
    out.write_all(show::describe(plan, "").as_bytes())?;
    write!(out, "Type the disk's name to erase it, {}: ", printable(&plan.target.name))?;
    out.flush()?;
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed).context("cannot read from the terminal")?;
    if typed.trim() != plan.target.name {
        let message = "that is not the disk's name: nothing was confirmed";
        return Err(Failure::new(Code::RequestRefused, message).into());
    }
    Ok(status.token)
}

/// Gives answers to the installer, if there is nothing wrong with them.
///
/// # Errors
/// The file can't be read, or the installer does not take them now.
pub(super) async fn set_answers(client: &Client, file: &Path, merge: bool) -> Result<Code> {
    let text = Secret::new(super::offline::read(file)?);
    let source = Source::File { path: file.to_owned() };
    document::parse(text.reveal().as_bytes(), source).map_err(super::offline::wrong)?;
    let options = Options::from([("merge", merge.into())]);
    client.installer.set_answers(text.reveal(), options).await.map_err(explain)?;
    Ok(Code::Done)
}
