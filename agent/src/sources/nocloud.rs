//! A volume of cloud-init's NoCloud → the answers in its `user-data`, `meta-data` and
//! `network-config`.

use std::ffi::{CStr, CString};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use nixvm_answers::source::NoCloudFile;
use nixvm_answers::{Answers, Problem, Problems, Source, SourceAnswers, command_line, nocloud};
use rustix::fs::Dir;

use super::volume;

/// A file of NoCloud that has no counterpart here.
const IGNORED: &str = "vendor-data";

/// What to do about a volume that can't be read.
const REMEDY: &str = "put user-data and meta-data on it, detach it, or write nixvm.nocloud=no on \
    the kernel's command line";

/// Whether such volumes are to be read: unless the kernel's command line turns that off.
pub fn reads_no_cloud() -> bool {
    // Where it can't be read, the same is a problem of the source "command line".
    let line = fs::read("/proc/cmdline").unwrap_or_default();
    command_line::reads_no_cloud(&String::from_utf8_lossy(&line))
}

/// Reads the files on the volume `device`, whose file system udev calls `file_system`
/// (`ID_FS_TYPE`) → the answers of each, or the mistakes in it.
///
/// It mounts, and may block, as [`volume::read_volume`] does. Which of the files are there is not
/// held against the volume, as long as one is: tools leave `meta-data` or `user-data` out, or empty.
pub fn read_no_cloud(device: &Path, file_system: &str) -> Vec<Result<SourceAnswers, Problems>> {
    match read(device, file_system) {
        Ok(files) => parse(&device.display().to_string(), files),
        Err(error) => vec![Err(unreadable(device, &format!("{error:#}")))],
    }
}

/// The problem of a volume on which [`read_no_cloud`] hangs.
pub fn silent_no_cloud(device: &Path) -> Problems {
    unreadable(device, &format!("{} does not answer", device.display()))
}

fn unreadable(device: &Path, why: &str) -> Problems {
    let source = source(&device.display().to_string(), NoCloudFile::UserData);
    Problem::whole(source, why, Some(REMEDY)).into()
}

fn source(device: &str, path: NoCloudFile) -> Source {
    Source::NoCloud { device: device.to_owned(), path }
}

/// What was read from a volume.
struct Files {
    user_data: Option<Vec<u8>>,
    meta_data: Option<Vec<u8>>,
    network_config: Option<Vec<u8>>,
    ignored: Vec<String>,
}

fn parse(device: &str, files: Files) -> Vec<Result<SourceAnswers, Problems>> {
    let user_data = match files.user_data {
        Some(bytes) => nocloud::user_data(&bytes, device),
        None => {
            let source = source(device, NoCloudFile::UserData);
            Ok(SourceAnswers { source, answers: Answers::default(), ignored: Vec::new() })
        }
    };
    let user_data = user_data.map(|mut given| {
        given.ignored.extend(files.ignored);
        given
    });
    let meta_data = files.meta_data.map(|bytes| nocloud::meta_data(&bytes, device));
    let network_config = files.network_config.map(|bytes| nocloud::network_config(&bytes, device));
    [Some(user_data), meta_data, network_config].into_iter().flatten().collect()
}

fn read(device: &Path, file_system: &str) -> Result<Files> {
    let folder = volume::open(device, file_system)?;
    let names = names(&folder)?;
    let find = |wanted: &str| -> Result<Option<&CString>> {
        let same = |name: &&CString| name.to_bytes().eq_ignore_ascii_case(wanted.as_bytes());
        let mut found = names.iter().filter(same);
        let name = found.next();
        ensure!(found.next().is_none(), "there are several {wanted} on it");
        Ok(name)
    };
    let content =
        |wanted: &str| find(wanted)?.map(|name| content(&folder, name, wanted)).transpose();
    let (user_data, meta_data) = (content("user-data")?, content("meta-data")?);
    if user_data.is_none() && meta_data.is_none() {
        bail!("there is neither user-data nor meta-data on the volume labelled cidata");
    }
    let mut ignored = Vec::new();
    // An empty one says nothing.
    if content(IGNORED)?.is_some_and(|bytes| !bytes.trim_ascii().is_empty()) {
        ignored.push(format!("the file {IGNORED}"));
    }
    let network_config = content("network-config")?;
    Ok(Files { user_data, meta_data, network_config, ignored })
}

fn content(folder: &OwnedFd, name: &CStr, shown: &str) -> Result<Vec<u8>> {
    let file = volume::open_file(folder, name, shown)?;
    nocloud::read_limited(file).with_context(|| format!("cannot read {shown}"))
}

fn names(folder: &OwnedFd) -> Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).context("cannot read its folder")? {
        names.push(entry.context("cannot read its folder")?.file_name().to_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
