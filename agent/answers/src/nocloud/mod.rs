//! The files of cloud-init's NoCloud → [`SourceAnswers`]: what they say that nixvm has an answer for.
//!
//! The formats are those of cloud-init's documentation: [NoCloud], [user data formats], the modules
//! "Users and Groups", "Set Hostname", "Set Passwords" and "SSH", and "Networking Config" [version 1]
//! and [version 2]. The subset is documented in this
//! crate's README. What is beyond it is listed as ignored. No key of it says anything of a disk, so
//! nothing here can loosen what may be erased.
//!
//! [NoCloud]: https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html
//! [user data formats]: https://docs.cloud-init.io/en/latest/explanation/format.html
//! [version 1]: https://docs.cloud-init.io/en/latest/reference/network-config-format-v1.html
//! [version 2]: https://docs.cloud-init.io/en/latest/reference/network-config-format-v2.html

mod account;
mod cloud_config;
mod meta_data;
mod network_config;
mod reading;
mod yaml;

use std::io::Read;

use crate::keys::Answers;
use crate::problem::{Position, Problem, Problems};
use crate::resolve::SourceAnswers;
use crate::source::{NoCloudFile, Source};
use crate::value::Invalid;
use reading::Reading;

/// Bytes of a file that are read. The files that `write_files` carries may make one long.
pub const LONGEST: usize = 1 << 20;

/// What to do about a form of user data which is not read.
const REMEDY: &str = "write user-data as plain cloud-config, with #cloud-config as its first line, \
    or write nixvm.nocloud=no on the kernel's command line";

/// Reads `user-data` of the volume `device`: cloud-config, or nothing.
///
/// A script, which asks for something that has no counterpart here, is listed as ignored. A form in
/// which there may be a cloud-config that isn't read is refused: its account would be lost.
///
/// # Errors
/// All that is wrong, in the order of the text, and never a secret.
///
/// ```
/// use nixvm_answers::nocloud;
///
/// let text = b"#cloud-config\nhostname: web\nusers:\n  - default\n  - name: ada\nruncmd: [poweroff]\n";
/// let given = nocloud::user_data(text, "/dev/sr0")?;
/// assert_eq!(given.source.to_string(), "user-data on /dev/sr0");
/// assert_eq!(given.answers.username.unwrap().as_str(), "ada");
/// assert_eq!(given.ignored, ["runcmd"]);
/// # Ok::<(), nixvm_answers::Problems>(())
/// ```
pub fn user_data(bytes: &[u8], device: &str) -> Result<SourceAnswers, Problems> {
    let source = source(device, NoCloudFile::UserData);
    let refuse = |message: &str| Err(Problem::whole(source.clone(), message, Some(REMEDY)).into());
    if bytes.starts_with(b"\x1f\x8b") {
        return refuse("it is compressed");
    }
    let text = decode(bytes, &source)?;
    let ignored = |what: &str| {
        let ignored = vec![what.to_owned()];
        Ok(SourceAnswers { source: source.clone(), answers: Answers::default(), ignored })
    };
    match Form::of(text) {
        Form::CloudConfig => {}
        Form::Empty => {
            let (source, answers) = (source.clone(), Answers::default());
            return Ok(SourceAnswers { source, answers, ignored: Vec::new() });
        }
        Form::Script => return ignored("all of it, a script"),
        Form::Unread(what) => return refuse(what),
    }
    read(text, source, cloud_config::read)
}

/// Reads `meta-data` of the volume `device`.
///
/// # Errors
/// As [`user_data`].
pub fn meta_data(bytes: &[u8], device: &str) -> Result<SourceAnswers, Problems> {
    let source = source(device, NoCloudFile::MetaData);
    let text = decode(bytes, &source)?;
    read(text, source, meta_data::read)
}

/// Reads `network-config` of the volume `device`, in either of its versions.
///
/// # Errors
/// As [`user_data`].
///
/// ```
/// use nixvm_answers::nocloud;
///
/// let text = b"version: 2\nethernets:\n  eth0: {addresses: [10.0.2.77/24], gateway4: 10.0.2.2}\n";
/// let network = nocloud::network_config(text, "/dev/sr0")?.answers.network.unwrap();
/// assert_eq!(network.to_string(), "name=eth0,address=10.0.2.77/24,gateway=10.0.2.2");
/// # Ok::<(), nixvm_answers::Problems>(())
/// ```
pub fn network_config(bytes: &[u8], device: &str) -> Result<SourceAnswers, Problems> {
    let source = source(device, NoCloudFile::NetworkConfig);
    let text = decode(bytes, &source)?;
    read(text, source, network_config::read)
}

/// Reads one byte more than [`LONGEST`] at most: enough to be refused.
///
/// # Errors
/// The reader's own.
pub fn read_limited(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn source(device: &str, path: NoCloudFile) -> Source {
    Source::NoCloud { device: device.to_owned(), path }
}

fn decode<'b>(bytes: &'b [u8], source: &Source) -> Result<&'b str, Problems> {
    let problem = |message: String, hint| Problem::whole(source.clone(), message, hint);
    if bytes.len() > LONGEST {
        return Err(problem(format!("it is larger than {} KiB", LONGEST / 1024), None).into());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let position = Some(Position::of(&before, usize::MAX));
        let what = Invalid::new("it is not text in UTF-8").hint("save it again as UTF-8");
        Problem::value(source.clone(), position, what).into()
    })
}

fn read(
    text: &str,
    source: Source,
    read: fn(&yaml::Node, &mut Reading),
) -> Result<SourceAnswers, Problems> {
    let mut reading = Reading::default();
    match yaml::parse(text) {
        Ok(None) => {}
        Ok(Some(root)) => read(&root, &mut reading),
        Err(wrong) => reading.wrong.push(wrong),
    }
    reading.finish(source)
}

/// What user data is, by its first line.
#[derive(Debug, PartialEq, Eq)]
enum Form {
    Empty,
    CloudConfig,
    Script,
    /// Something that is not read, in words.
    Unread(&'static str),
}

impl Form {
    /// As cloud-init tells them apart: blanks before the first line and the case of its letters do
    /// not count, and the longest beginning that is known does.
    fn of(text: &str) -> Self {
        let text = text.trim_start();
        let first = text.lines().next().unwrap_or_default().to_ascii_lowercase();
        let begins = |start: &str| first.starts_with(start);
        if text.is_empty() {
            Self::Empty
        } else if begins("#cloud-config-archive") {
            Self::Unread("it is an archive of several parts (#cloud-config-archive)")
        } else if begins("#cloud-config-jsonp") {
            Self::Unread("it is a patch of another cloud-config (#cloud-config-jsonp)")
        } else if begins("#cloud-config") {
            Self::CloudConfig
        } else if begins("#!") || begins("#cloud-boothook") || begins("#part-handler") {
            Self::Script
        } else if begins("#include") {
            Self::Unread("it only names addresses to fetch user data from (#include)")
        } else if begins("## template:") {
            Self::Unread("it is a template that has to be filled in first (## template: jinja)")
        } else if begins("content-type:") || begins("mime-version:") {
            Self::Unread("it is an archive of several parts (MIME)")
        } else {
            Self::Unread("its first line is not #cloud-config, and cloud-init would not read it")
        }
    }
}

#[cfg(test)]
mod tests;
