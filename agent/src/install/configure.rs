//! Step 2: the flake that the ISO carries, and what this machine and these answers add →
//! `/etc/nixos` on the target.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Attempt, nix_text};
use crate::command::Runner;
use crate::event::Event;
use crate::layout;
use crate::plan::Plan;

/// The configuration's folder on the target.
const FOLDER: &str = "etc/nixos";

/// Runs the step.
///
/// # Errors
/// Something can't be read from the ISO or written to the target.
pub(super) async fn run(attempt: &Attempt) -> Result<()> {
    let runner = &attempt.runner;
    let folder = Path::new(layout::MOUNT_POINT).join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // A store's files are read-only; these are the user's to change.
    runner
        .tool("cp")
        .args(["--recursive", "--no-preserve=mode,ownership,timestamps", "--no-target-directory"])
        .arg(&attempt.manifest.flake)
        .arg(&folder)
        .run()
        .await
        .context("cannot copy the flake")?;

    let host = folder.join(&attempt.manifest.host_directory);
    fs::create_dir_all(&host).with_context(|| format!("cannot make {}", host.display()))?;
    write(&host.join("host.nix"), &host_text(&attempt.plan))?;
    let device = stable_name(&attempt.plan);
    write(&host.join("disk-device.nix"), &disk_device_text(&device))?;
    match hardware(runner).await {
        Ok(text) => write(&host.join("hardware-configuration.nix"), &text)?,
        // The configuration boots on every hypervisor without it.
        Err(error) => attempt.board.publish(Event::Warning {
            message: format!("No hardware-configuration.nix was written: {error:#}"),
        }),
    }
    // The agent has neither a home nor a user that git would know.
    let git = || runner.tool("git").arg("-C").arg(&folder).env("HOME", "/root");
    git().args(["init", "--quiet", "--initial-branch=main"]).run().await?;
    git().args(["add", "--all"]).run().await?;
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn host_text(plan: &Plan) -> String {
    format!(
        "# Who this machine is; written by the installer.\n{{\n  hostname = {};\n  username = {};\n  \
         fullName = {};\n}}\n",
        nix_text::string(&plan.hostname),
        nix_text::string(&plan.username),
        nix_text::string(plan.full_name.as_deref().unwrap_or_default()),
    )
}

fn disk_device_text(device: &Path) -> String {
    format!(
        "# The disk that this system was installed to; written by the installer. Only disko reads it.\n\
         {}\n",
        nix_text::string(&device.to_string_lossy())
    )
}

/// The disk's name that is most likely to mean the same disk later: by its own identity, else by its
/// place.
fn stable_name(plan: &Plan) -> PathBuf {
    let identity = &plan.target.identity;
    let found = |prefix: &str| {
        let mut links: Vec<_> =
            plan.target.links.iter().filter(|link| link.starts_with(prefix)).collect();
        links.sort();
        links.first().map(|link| (*link).clone())
    };
    found("/dev/disk/by-id")
        .or_else(|| found("/dev/disk/by-path"))
        .unwrap_or_else(|| identity.node.clone())
}

/// What `nixos-generate-config` says of this machine, without the file systems, which disko declares.
async fn hardware(runner: &Runner) -> Result<String> {
    let output = runner
        .tool("nixos-generate-config")
        .args(["--root", layout::MOUNT_POINT, "--no-filesystems", "--show-hardware-config"])
        .run()
        .await?;
    for option in ["fileSystems", "swapDevices"] {
        anyhow::ensure!(
            !output.stdout.contains(option),
            "nixos-generate-config declares {option}, which disko does"
        );
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn the_disk_is_named_by_what_stays_the_same() {
        let mut plan = testing::plan("vda");
        assert_eq!(stable_name(&plan), Path::new("/dev/vda"));
        plan.target.links = vec!["/dev/disk/by-path/p".into(), "/dev/disk/by-id/b".into()];
        assert_eq!(stable_name(&plan), Path::new("/dev/disk/by-id/b"));
        plan.target.links.pop();
        assert_eq!(stable_name(&plan), Path::new("/dev/disk/by-path/p"));
    }

    #[test]
    fn host_file_holds_the_answers() {
        let mut plan = testing::plan("vda");
        plan.full_name = Some("A \"B\" ${C}".to_owned());
        let text = host_text(&plan);
        assert!(text.contains("hostname = \"nixvm\";"), "{text}");
        assert!(text.contains(r#"fullName = "A \"B\" \${C}";"#), "{text}");
    }
}
