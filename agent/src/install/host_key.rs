//! The path of sshd's host key → that key on the target, and its public half.
//!
//! Without it, sshd makes its keys at its first start, when the installer can't report them any more.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::command::Runner;

/// Makes an Ed25519 key at `path` below `root`, as sshd's own start would; returns a line like
/// `ssh-ed25519 AAAA… root@web`.
///
/// # Errors
/// ssh-keygen fails, or the folder can't be made.
pub(super) async fn make(
    runner: &Runner,
    root: &Path,
    path: &Path,
    hostname: &str,
) -> Result<String> {
    let path = root.join(path.strip_prefix("/").unwrap_or(path));
    let about = || format!("cannot make the host key {}", path.display());
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        fs::create_dir_all(folder).with_context(about)?;
        fs::set_permissions(folder, Permissions::from_mode(0o755)).with_context(about)?;
    }
    let comment = format!("root@{hostname}");
    let tool = runner.tool("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", &comment]);
    tool.arg("-f").arg(&path).run().await.with_context(about)?;
    let mut public = path.clone().into_os_string();
    public.push(".pub");
    let line = fs::read_to_string(&public);
    let line = line.with_context(|| format!("cannot read {}", public.display()))?;
    Ok(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn the_key_is_where_sshd_looks_for_it_and_root_alone_can_read_it() {
        let root = tempfile::tempdir().unwrap();
        let runner = Runner::new(CancellationToken::new(), None);
        let path = Path::new("/etc/ssh/ssh_host_ed25519_key");
        let public = make(&runner, root.path(), path, "web").await.unwrap();
        assert!(
            public.starts_with("ssh-ed25519 AAAA") && public.ends_with(" root@web"),
            "{public}"
        );
        let key = root.path().join("etc/ssh/ssh_host_ed25519_key");
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
