//! VMware's `guestinfo.nixvm.answers` → the answers in it.
//!
//! A line in the `.vmx` file, or a property of the VM in vSphere. As with other installers,
//! `guestinfo.nixvm.answers.encoding` may say `base64`, since such a line cannot hold a line's end.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nixvm_answers::{Problem, Source, document};

use super::Found;
use crate::command::Runner;

/// VMware's own tool, from open-vm-tools.
pub(super) const TOOL: &str = "vmware-rpctool";

const KEY: &str = "guestinfo.nixvm.answers";

/// Asks the host by `tool`. A missing tool or variable is no answer.
///
/// `runner` must have no log: the answers may contain a password's hash.
pub(super) async fn read(runner: &Runner, tool: &str) -> Found {
    let get = async |key: &str| {
        let output = runner.tool(tool).arg(format!("info-get {key}")).output().await.ok()?;
        Some(output.stdout).filter(|text| output.success && !text.trim().is_empty())
    };
    let Some(text) = get(KEY).await else { return Ok(None) };
    let encoding = get(&format!("{KEY}.encoding")).await.unwrap_or_default();
    let problem = |message: &str, hint| {
        Err(Problem::whole(Source::Guestinfo, format!("{KEY} {message}"), Some(hint)).into())
    };
    let bytes = match encoding.trim() {
        "" => text.into_bytes(),
        "base64" | "b64" => {
            let packed: String = text.split_ascii_whitespace().collect();
            match STANDARD.decode(packed) {
                Ok(bytes) => bytes,
                Err(_) => return problem("is not in base 64", "encode it again with `base64`"),
            }
        }
        _ => return problem("has an encoding that is not known", "set the encoding to base64"),
    };
    document::parse(&bytes, Source::Guestinfo).map(Some)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Reads from a stand-in for the tool, which knows these variables.
    async fn read_with(variables: &[(&str, &str)]) -> Found {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in variables {
            fs::write(folder.path().join(name), value).unwrap();
        }
        let tool = folder.path().join("tool");
        let here = folder.path().display();
        fs::write(&tool, format!("#!/bin/sh\nset -- $1\ncat {here}/$2 || exit 1\n")).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        read(&Runner::default(), tool.to_str().unwrap()).await
    }

    #[tokio::test]
    async fn plain_and_encoded_answers_are_read() {
        let plain = read_with(&[(KEY, "hostname = 'web'\n")]).await.unwrap().unwrap();
        assert_eq!(plain.source, Source::Guestinfo);
        let packed = STANDARD.encode("hostname = 'web'\n");
        let encoding = format!("{KEY}.encoding");
        let (first, second) = packed.split_at(9);
        let packed = format!("{first}\n{second}\n");
        let packed = read_with(&[(KEY, &packed), (&encoding, "base64\n")]).await.unwrap().unwrap();
        assert_eq!(packed.answers, plain.answers);
    }

    #[tokio::test]
    async fn no_tool_and_no_variable_are_no_answers() {
        assert_eq!(read(&Runner::default(), "no-such-tool").await, Ok(None));
        assert_eq!(read_with(&[]).await, Ok(None));
    }

    #[tokio::test]
    async fn what_cannot_be_decoded_is_a_problem() {
        let encoding = format!("{KEY}.encoding");
        for (text, encoding_of) in [("hostname = 'web'", "base64"), ("H4sI", "gzip+base64")] {
            let problems = read_with(&[(KEY, text), (&encoding, encoding_of)]).await.unwrap_err();
            assert!(problems.to_string().starts_with("VMware guestinfo: "), "{problems}");
        }
        assert!(read_with(&[(KEY, "hostnme = 'x'")]).await.is_err());
    }
}
