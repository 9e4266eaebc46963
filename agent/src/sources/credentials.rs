//! The credentials that systemd defines and this system was started with → the answers in them.
//!
//! systemd collects them from SMBIOS type 11, fw_cfg (`opt/io.systemd.credentials/`) and the boot
//! partition, and decodes those in base 64, before any unit starts.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use nixvm_answers::{Problem, Problems, Source, SourceAnswers, credential, document};

/// Where systemd puts them.
const FOLDER: &str = "run/credentials/@system";

/// The answers in the credentials below `root`, which is `/` but for tests.
pub(super) fn read(root: &Path) -> Vec<Result<SourceAnswers, Problems>> {
    let folder = root.join(FOLDER);
    let problem = |source: Source, path: &Path, error: &io::Error| {
        let message = format!("cannot read {}: {error}", path.display());
        Err(Problem::whole(source, message, None).into())
    };
    let names = match names(&folder) {
        Ok(names) => names,
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(error) => return vec![problem(Source::Credential, &folder, &error)],
    };
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let read = credential::read_of(&names).into_iter().filter_map(|name| {
        let path = folder.join(name);
        match File::open(&path).and_then(document::read_limited) {
            Ok(bytes) => credential::parse(name, &bytes),
            Err(error) => {
                let source = Source::SystemCredential { name: name.to_owned() };
                Some(problem(source, &path, &error))
            }
        }
    });
    read.collect()
}

/// The names in a folder, sorted; those that are no text can't be of interest.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut names: Vec<_> =
        entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        files.iter().for_each(|(name, text)| fs::write(folder.join(name), text).unwrap());
        root
    }

    #[test]
    fn the_credentials_that_have_an_answer_are_read() {
        let hash = "$2b$05$brngTNzGAqoFji5Ue.9iferNHD0WvKD6q0dEPXARfwfNFIRVkev.q";
        let root = machine(&[
            ("nixvm.answers", "hostname = 'other'"),
            ("system.hostname", "transient"),
            ("firstboot.hostname", "web\n"),
            ("passwd.hashed-password.ada", hash),
            ("ssh.authorized_keys.root", "ssh-x"),
            ("vmm.notify_socket", "vsock:2:1"),
        ]);
        let found: Vec<_> = read(root.path()).into_iter().map(Result::unwrap).collect();
        let sources: Vec<_> = found.iter().map(|given| given.source.to_string()).collect();
        let expected = ["firstboot.hostname", "passwd.hashed-password.ada"];
        assert_eq!(sources, expected.map(|name| format!("system credential {name}")));
        assert_eq!(found[0].answers.hostname.as_ref().unwrap().as_str(), "web");
        assert_eq!(found[1].answers.password_hash.as_ref().unwrap().reveal(), hash);
    }

    #[test]
    fn no_folder_is_no_answer_and_what_cannot_be_read_is_a_problem() {
        assert_eq!(read(tempfile::tempdir().unwrap().path()), []);
        let root = machine(&[]);
        fs::create_dir(root.path().join(FOLDER).join("firstboot.hostname")).unwrap();
        let problems = read(root.path()).remove(0).unwrap_err().to_string();
        assert!(problems.contains("firstboot.hostname: cannot read "), "{problems}");
    }
}
