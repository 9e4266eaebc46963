//! Files of the kernel, systemd and the ISO → the answers in them.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use nixvm_answers::area::{self, Unreadable};
use nixvm_answers::{Answers, Problem, Problems, Source, SourceAnswers, command_line, document};

use super::Found;

const COMMAND_LINE: &str = "proc/cmdline";

/// The file of QEMU's `-fw_cfg name=opt/org.nixvm/answers,file=F`.
const FIRMWARE_CONFIG: &str = "sys/firmware/qemu_fw_cfg/by_name/opt/org.nixvm/answers/raw";

/// Where systemd puts the system's credentials.
///
/// It reads them from SMBIOS type 11 itself, before any unit starts, and decodes those that are in
/// base 64 (`io.systemd.credential.binary`). To read `/sys/firmware/dmi` as well would be a second
/// opinion on the same bytes, and would miss credentials that came in another way.
const CREDENTIAL: &str = "run/credentials/@system/nixvm.answers";

/// The medium's own files are below `/iso`.
const ISO: &str = "iso";

/// The answers in the files below `root`, which is `/` but for tests.
pub(super) fn read(root: &Path) -> Vec<Result<SourceAnswers, Problems>> {
    [command_line(root), firmware_config(root), credential(root), embedded(root)]
        .into_iter()
        .filter_map(Result::transpose)
        .collect()
}

fn command_line(root: &Path) -> Found {
    let Some(bytes) = content(&root.join(COMMAND_LINE), &Source::CommandLine)? else {
        return Ok(None);
    };
    let given = command_line::parse(&String::from_utf8_lossy(&bytes))?;
    Ok(Some(given).filter(|given| given.answers != Answers::default()))
}

fn firmware_config(root: &Path) -> Found {
    let source = Source::FirmwareConfig;
    let bytes = content(&root.join(FIRMWARE_CONFIG), &source)?;
    bytes.map(|bytes| document::parse(&bytes, source)).transpose()
}

fn credential(root: &Path) -> Found {
    let source = Source::Credential;
    let bytes = content(&root.join(CREDENTIAL), &source)?;
    bytes.map(|bytes| document::parse(&bytes, source)).transpose()
}

fn embedded(root: &Path) -> Found {
    let path = root.join(ISO).join(area::PATH.join("/"));
    let Some(bytes) = content(&path, &Source::Iso)? else { return Ok(None) };
    match area::decode(&bytes) {
        Ok("") => Ok(None),
        Ok(text) => document::parse(text.as_bytes(), Source::Iso).map(Some),
        Err(error) => {
            let remedy = match error {
                Unreadable::OtherVersion => "use the nixvm-iso that was published with this ISO",
                Unreadable::Damaged | Unreadable::NoArea => {
                    "repair it with `nixvm-iso reset`, or with `nixvm-iso customize --answers`"
                }
            };
            Err(Problem::whole(Source::Iso, error.to_string(), Some(remedy)).into())
        }
    }
}

/// The file's bytes, or one more than may be; none if there is no such file.
fn content(path: &Path, source: &Source) -> Result<Option<Vec<u8>>, Problems> {
    match File::open(path).and_then(document::read_limited) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!("cannot read {}: {error}", path.display());
            Err(Problem::whole(source.clone(), message, None).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::machine::examples::root;

    fn only(files: &[(&str, &[u8])]) -> Result<SourceAnswers, Problems> {
        let mut found = read(root(files).path());
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    const AREA: &str = "iso/nixvm/answers.toml";

    #[test]
    fn a_machine_without_answers_has_none() {
        assert_eq!(read(root::<&[u8]>(&[]).path()), []);
        let empty = area::encode("").unwrap();
        let files: [(&str, &[u8]); 2] =
            [(COMMAND_LINE, b"ro quiet nixvm.installer=off\n"), (AREA, &empty)];
        assert_eq!(read(root(&files).path()), []);
    }

    #[test]
    fn each_file_is_a_source_of_its_own() {
        let area = area::encode("hostname = 'web'").unwrap();
        for (path, bytes, source) in [
            (COMMAND_LINE, b"ro nixvm.hostname=web\n".as_slice(), Source::CommandLine),
            (FIRMWARE_CONFIG, b"hostname = 'web'", Source::FirmwareConfig),
            (CREDENTIAL, b"hostname = 'web'", Source::Credential),
            (AREA, area.as_slice(), Source::Iso),
        ] {
            let given = only(&[(path, bytes)]).unwrap();
            assert_eq!(given.source, source);
            assert_eq!(given.answers.hostname.unwrap().as_str(), "web");
        }
    }

    #[test]
    fn several_sources_are_all_heard_and_so_are_their_mistakes() {
        let files: [(&str, &[u8]); 3] = [
            (COMMAND_LINE, b"nixvm.hostnme=x"),
            (FIRMWARE_CONFIG, b"\xff\xfea\0"),
            (CREDENTIAL, b"hostname = 'web'"),
        ];
        let found = read(root(&files).path());
        let broken: Vec<_> = found.iter().filter(|result| result.is_err()).collect();
        assert_eq!((found.len(), broken.len()), (3, 2), "{found:?}");
    }

    #[test]
    fn a_torn_area_is_a_problem_with_a_remedy() {
        let mut area = area::encode("hostname = 'web'").unwrap();
        area[area::SIZE - 1] = 0;
        let problems = only(&[(AREA, &area)]).unwrap_err();
        assert!(problems.to_string().contains("nixvm-iso reset"), "{problems}");
        assert!(only(&[(AREA, b"hostname = 'web'")]).is_err(), "an edited file has no checksum");
    }

    #[test]
    fn what_cannot_be_read_is_a_problem() {
        let root = root::<&[u8]>(&[]);
        fs::create_dir_all(root.path().join(FIRMWARE_CONFIG)).unwrap();
        let found = read(root.path());
        let problems = found[0].as_ref().unwrap_err().to_string();
        assert!(problems.starts_with("QEMU fw_cfg: cannot read "), "{problems}");
        let long = vec![b'#'; 70_000];
        assert!(only(&[(CREDENTIAL, &long)]).unwrap_err().to_string().contains("larger than"));
    }
}
