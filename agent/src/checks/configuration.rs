//! Who the machine will be → the folder that becomes its `/etc/nixos`.
//!
//! Written twice where the system has to be built: once in the live system, to prove before the first
//! write to the disk that it can be built, and once on the target.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nixvm_manifest::{Defaults, Manifest};

use crate::command::Runner;
use crate::command::nix::string_literal;
use crate::plan::Configuration;

/// Writes the flake with this machine's files into `folder`, which is made, and puts it under git's
/// control. Returns a warning where the hardware could not be described: the configuration boots
/// on every hypervisor without that.
///
/// # Errors
/// Something can't be read from the ISO or written to the folder.
pub(crate) async fn write(
    configuration: &Configuration,
    runner: &Runner,
    manifest: &Manifest,
    folder: &Path,
) -> Result<Option<String>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // A store's files are read-only; these are the user's to change.
    runner
        .tool("cp")
        .args(["--recursive", "--no-preserve=mode,ownership,timestamps"])
        .arg("--no-target-directory")
        .arg(&manifest.flake)
        .arg(folder)
        .run()
        .await
        .context("cannot copy the flake")?;

    let host = folder.join(&manifest.host_directory);
    fs::create_dir_all(&host).with_context(|| format!("cannot make {}", host.display()))?;
    write_file(&host.join("host.nix"), &host_text(configuration, &manifest.defaults))?;
    write_file(&host.join("disk-device.nix"), &disk_device_text(configuration))?;
    let mut warning = None;
    match hardware(runner).await {
        Ok(text) => write_file(&host.join("hardware-configuration.nix"), &text)?,
        Err(error) => {
            warning = Some(format!("No hardware-configuration.nix was written: {error:#}"));
        }
    }
    // The agent has neither a home nor a user that git would know.
    let git = || runner.tool("git").arg("-C").arg(folder).env("HOME", "/root");
    git().args(["init", "--quiet", "--initial-branch=main"]).run().await?;
    git().args(["add", "--all"]).run().await?;
    Ok(warning)
}

/// The text of `host.nix`. The time zone is in it only if the carried system has one built in: else
/// `/etc/localtime` says it, and the system stays the carried one. A value of the carried system which
/// can't be an answer stays as it is.
fn host_text(configuration: &Configuration, defaults: &Defaults) -> String {
    let Configuration { hostname, username, full_name, keymap, locale, timezone, proxy, .. } =
        configuration;
    let timezone = timezone.as_ref().filter(|_| defaults.timezone.is_some());
    let proxy = proxy.as_ref().map(ToString::to_string);
    let lines = [
        ("hostname", Some(hostname)),
        ("username", Some(username)),
        ("fullName", Some(full_name)),
        ("keymap", keymap.as_ref().or(defaults.keymap.as_ref())),
        ("locale", locale.as_ref().or(defaults.locale.as_ref())),
        ("timeZone", timezone.or(defaults.timezone.as_ref())),
        ("proxy", proxy.as_ref().or(defaults.proxy.as_ref())),
    ];
    let mut text = "# Who this machine is; written by the installer.\n{\n".to_owned();
    for (name, value) in lines {
        let Some(value) = value else { continue };
        text.push_str(&format!("  {name} = {};\n", string_literal(value)));
    }
    text + "}\n"
}

fn disk_device_text(configuration: &Configuration) -> String {
    format!(
        "# The disk that this system was installed to; written by the installer. Only disko reads \
         it.\n{}\n",
        string_literal(&configuration.disk_device.to_string_lossy())
    )
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// What `nixos-generate-config` says of this machine, without the file systems, which disko declares.
async fn hardware(runner: &Runner) -> Result<String> {
    let output = runner
        .tool("nixos-generate-config")
        .args(["--no-filesystems", "--show-hardware-config"])
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

    #[test]
    fn host_file_holds_the_answers() {
        let configuration = Configuration {
            hostname: "nixvm".into(),
            username: "ht".into(),
            full_name: "A \"B\" ${C}".into(),
            keymap: Some("de-latin1".into()),
            locale: None,
            timezone: Some("Europe/Berlin".into()),
            proxy: Some("http://10.0.2.2:3128".parse().unwrap()),
            disk_device: "/dev/disk/by-id/x".into(),
        };
        let manifest = include_str!("../../manifest/fixtures/manifest.json");
        let mut defaults = nixvm_manifest::parse(manifest).unwrap().defaults;
        let text = host_text(&configuration, &defaults);
        assert!(text.contains("hostname = \"nixvm\";"), "{text}");
        assert!(text.contains(r#"fullName = "A \"B\" \${C}";"#), "{text}");
        assert!(text.contains("  keymap = \"de-latin1\";\n"), "{text}");
        // A flake whose hosts take no locale would refuse one.
        assert!(!text.contains("locale") && !text.contains("timeZone"), "{text}");
        assert!(text.ends_with("  proxy = \"http://10.0.2.2:3128\";\n}\n"), "{text}");
        defaults.timezone = Some("UTC".into());
        let text = host_text(&configuration, &defaults);
        assert!(text.contains("  timeZone = \"Europe/Berlin\";\n"), "{text}");
        assert!(disk_device_text(&configuration).ends_with("\n\"/dev/disk/by-id/x\"\n"));
    }
    #[test]
    fn what_the_carried_system_has_and_no_answer_can_say_is_kept() {
        let manifest = include_str!("../../manifest/fixtures/manifest.json");
        let mut defaults = nixvm_manifest::parse(manifest).unwrap().defaults;
        let configuration = crate::plan::examples::plan("vda").configuration;
        assert!(!host_text(&configuration, &defaults).contains("proxy"));
        defaults.keymap = Some("my-own".into());
        defaults.proxy = Some("socks5://proxy:1080".into());
        let text = host_text(&configuration, &defaults);
        for line in ["  keymap = \"my-own\";\n", "  proxy = \"socks5://proxy:1080\";\n"] {
            assert!(text.contains(line), "{text}");
        }
    }
}
