//! The flake that the ISO carries, and what this machine and these answers add →
//! `/etc/nixos`, `/etc/localtime`, NetworkManager's connections, the first boot's script and sshd's
//! host key on the target.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Attempt, first_boot, host_key};
use crate::checks::configuration;
use crate::disk::layout;
use crate::event::Event;
use crate::network::keyfile;

/// The configuration's folder on the target.
const FOLDER: &str = "etc/nixos";

/// Where NetworkManager has the machine's own connections.
const CONNECTIONS: &str = "etc/NetworkManager/system-connections";

/// Where NixOS has its time zones, on every machine; its systemd knows a zone by a link to here
/// (nixpkgs, `Change-usr-share-zoneinfo-to-etc-zoneinfo.patch`).
const ZONES: &str = "/etc/zoneinfo";

/// Runs the step; returns the host key's public half, if one was wanted and could be made.
///
/// # Errors
/// Something can't be read from the ISO or written to the target.
pub(super) async fn run(attempt: &Attempt) -> Result<Option<String>> {
    let root = Path::new(layout::MOUNT_POINT);
    let machine = &attempt.plan.configuration;
    let warning =
        configuration::write(machine, &attempt.runner, &attempt.manifest, &root.join(FOLDER))
            .await?;
    if let Some(message) = warning {
        attempt.publisher.publish(Event::Warning { message });
    }
    keyfile::write_all(&root.join(CONNECTIONS), &attempt.plan.network.interfaces)?;
    if let Some(given) = &attempt.first_boot {
        first_boot::write(root, &given.script)?;
    }
    // One that the system has built in would replace the link.
    let is_built_in = attempt.manifest.defaults.timezone.is_some();
    match &machine.timezone {
        Some(zone) if !is_built_in => set_timezone(root, zone)?,
        _ => {}
    }
    Ok(make_host_key(attempt, root).await)
}

/// Makes the host key that is wanted. Without one, sshd makes its own.
async fn make_host_key(attempt: &Attempt, root: &Path) -> Option<String> {
    let path = attempt.manifest.ssh_host_key.as_ref().filter(|_| attempt.wants_host_key)?;
    let hostname = &attempt.plan.configuration.hostname;
    let made = host_key::make(&attempt.runner, root, path, hostname).await;
    // A cancel is noticed after the step.
    let warn = |error| {
        let message = format!("{error:#}: the webhook is not told any.");
        attempt.publisher.publish(Event::Warning { message });
    };
    made.map_err(warn).ok()
}

/// Links the target's `/etc/localtime` to a zone, as `timedatectl set-timezone` does.
fn set_timezone(root: &Path, zone: &str) -> Result<()> {
    let link = root.join("etc/localtime");
    let about = || format!("cannot link {} to {ZONES}/{zone}", link.display());
    fs::create_dir_all(root.join("etc")).with_context(about)?;
    symlink(Path::new(ZONES).join(zone), &link).with_context(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_zone_is_a_link_on_the_machine() {
        let root = tempfile::tempdir().unwrap();
        set_timezone(root.path(), "Europe/Berlin").unwrap();
        let link = fs::read_link(root.path().join("etc/localtime")).unwrap();
        assert_eq!(link, Path::new("/etc/zoneinfo/Europe/Berlin"));
    }
}
