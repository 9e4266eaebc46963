//! The answers' keys for the live system → root's `authorized_keys`, and sshd once there are any.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nixvm_answers::ssh::AuthorizedKey;
use nixvm_answers::{Problems, Resolved};

use super::Session;
use crate::command::private_file;
use crate::event::Event;

/// Root's keys on the live system. Those of the ISO itself are elsewhere.
const FILE: &str = "/root/.ssh/authorized_keys";

/// The unit of the ISO that no target wants.
const SERVICE: &str = "sshd.service";

/// The first line of a file that the installer wrote.
const HEADER: &str = "# Written by nixvm-agent from the answers.";

impl Session {
    /// Lets the answers' keys log in to the live system, and no others. That they can't is no reason
    /// not to install.
    pub(super) async fn allow_live_login(&mut self, answers: &Result<Resolved, Problems>) {
        // Answers with mistakes may have keys nonetheless; what was allowed before stays.
        let Ok(answers) = answers else { return };
        let is_virtual = self.context.machine.hypervisor.is_virtual();
        // Root can confirm whatever is asked: a source that may not loosen consent gives no key.
        let keys = &answers.baselines.of(is_virtual).live_ssh_authorized_keys;
        if self.live_keys.as_ref() == Some(keys) {
            return;
        }
        let had_keys = self.live_keys.replace(keys.clone()).is_some_and(|keys| !keys.is_empty());
        let given = &answers.live_ssh_authorized_keys;
        if given.value != *keys {
            self.warn_of_live_login(&format!("on this machine, {} does not count", given.source));
        }
        if let Err(error) = self.write_live_keys(keys, had_keys).await {
            self.warn_of_live_login(&format!("{error:#}"));
        }
    }

    fn warn_of_live_login(&self, why: &str) {
        let message = format!("The SSH keys for this live system are not used: {why}.");
        self.context.publisher.publish(Event::Warning { message });
    }

    /// Writes the keys, and starts sshd if there are any. Once there are none, sshd keeps running:
    /// no login is possible then, and it may be the ISO's own.
    async fn write_live_keys(&self, keys: &[AuthorizedKey], had_keys: bool) -> Result<()> {
        let path = Path::new(FILE);
        // An agent that has died may have left some.
        if keys.is_empty() && !had_keys && !is_ours(path) {
            return Ok(());
        }
        write(path, keys)?;
        if !keys.is_empty() {
            // The session does not wait for host keys to be made.
            self.runner.tool("systemctl").args(["start", "--no-block", SERVICE]).run().await?;
        }
        Ok(())
    }
}

/// Whether the installer wrote the file.
fn is_ours(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.starts_with(HEADER))
}

/// Writes the keys to a file that is its owner's alone, unless another program wrote it.
fn write(path: &Path, keys: &[AuthorizedKey]) -> Result<()> {
    let before = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        before => Some(before.with_context(|| format!("cannot read {}", path.display()))?),
    };
    let is_ours = before.is_none_or(|text| text.is_empty() || text.starts_with(HEADER));
    ensure!(is_ours, "{} has keys that the installer did not write", path.display());
    if let Some(folder) = path.parent() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut text = format!("{HEADER}\n");
    for key in keys {
        text.push_str(key.as_str());
        text.push('\n');
    }
    private_file::write(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_replace_those_written_before_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".ssh/authorized_keys");
        let blob = "AAAAC3NzaC1lZDI1NTE5AAAAIGElGSSWbgBlWnYzYx3Pu4mL09GP8DhJXnFVz4lxiUHG";
        let key = |name: &str| format!("ssh-ed25519 {blob} {name}").parse().unwrap();
        write(&path, &[key("a"), key("b")]).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{HEADER}\nssh-ed25519 {blob} a\nssh-ed25519 {blob} b\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, &[key("c")]).unwrap();
        assert_eq!(mode(&path), 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{HEADER}\nssh-ed25519 {blob} c\n"));

        fs::write(&path, "ssh-ed25519 another's\n").unwrap();
        let error = write(&path, &[key("d")]).unwrap_err().to_string();
        assert!(error.ends_with("has keys that the installer did not write"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "ssh-ed25519 another's\n");
    }
}
