//! The base folder and the stand-in flake → a Nix store with a system in it, as an ISO carries it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{Arch, Lab};
use crate::cache::Key;
use crate::command::Chroot;

/// What an ISO carries of Nix's.
pub(super) struct Store {
    /// The folder that holds it all.
    folder: PathBuf,
    /// Store path of the base folder.
    pub(super) base: String,
    /// Store path of the baked system.
    pub(super) toplevel: String,
}

impl Store {
    /// The squashfs image of the closure.
    pub(super) fn image(&self) -> PathBuf {
        self.folder.join("nix-store.squashfs")
    }

    /// The closure as `nix-store --load-db` reads it.
    pub(super) fn registration(&self) -> PathBuf {
        self.folder.join("registration")
    }

    /// The flake, its input locked.
    pub(super) fn flake(&self) -> PathBuf {
        self.folder.join("flake")
    }

    /// Identifies this store's contents.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The flake's attribute for `arch`, as in the project's own flake.
pub(super) fn attribute(arch: Arch) -> String {
    format!("nixvm-{arch}")
}

/// Builds the store for `arch` with the Nix of `tools`.
///
/// # Errors
/// Nix or mksquashfs failed.
pub(super) fn build(lab: &Lab, arch: Arch, tools: &Path, base: &Path) -> Result<Store> {
    let mut key = Key::new(include_str!("store.rs"));
    key.add(base.as_os_str().as_encoded_bytes()).add_path(&lab.guest("system"))?;
    let folder = lab.cache.stage(&format!("store-{arch}"), &key, |out| {
        fs::create_dir_all(out.join("nix"))?;
        lab.commands.run("cp", [Path::new("-r"), &lab.guest("system"), &out.join("flake")])?;
        let nix = Nix { lab, tools, base, out };

        let base_path = nix.run("nix store add --name source /mnt/base")?;
        let text = fs::read_to_string(out.join("flake/flake.nix"))?;
        fs::write(out.join("flake/flake.nix"), text.replace("@base@", &base_path))?;
        let toplevel = format!(
            "path:/mnt/out/flake#nixosConfigurations.{}.config.system.build.toplevel",
            attribute(arch)
        );
        nix.run("nix flake lock path:/mnt/out/flake")?;
        let toplevel = match arch {
            Arch::X86_64 => {
                nix.run(&format!("nix build --no-link --print-out-paths '{toplevel}'"))?
            }
            Arch::Aarch64 => nix.build_foreign(&toplevel)?,
        };
        // Only what the system refers to is carried, as closureInfo would have it.
        nix.run(&format!(
            "nix-store --dump-db $(nix-store -qR {toplevel}) > /mnt/out/registration"
        ))?;
        nix.run(&format!(
            "mksquashfs $(nix-store -qR {toplevel}) /mnt/out/nix-store.squashfs -quiet -no-progress \
             -no-hardlinks -keep-as-directory -all-root -b 1048576 -comp zstd -Xcompression-level 6"
        ))?;
        fs::write(out.join("base"), base_path)?;
        fs::write(out.join("toplevel"), toplevel)?;
        crate::cache::remove(&out.join("nix"))
    })?;
    let read = |name: &str| {
        fs::read_to_string(folder.join(name)).with_context(|| format!("the store lacks its {name}"))
    };
    Ok(Store { base: read("base")?, toplevel: read("toplevel")?, folder })
}

/// Debian's Nix, its store in the stage's own folder.
struct Nix<'a> {
    lab: &'a Lab,
    tools: &'a Path,
    base: &'a Path,
    out: &'a Path,
}

impl Nix<'_> {
    /// Runs a shell command beside the store; returns what it printed, trimmed.
    fn run(&self, script: &str) -> Result<String> {
        let chroot = Chroot::new(self.tools)
            .bind(self.base, "/mnt/base")
            .bind(self.out, "/mnt/out")
            .bind(&self.out.join("nix"), "/nix");
        let configuration = "sandbox = false\nbuild-users-group =\nsubstituters =\n\
            experimental-features = nix-command flakes\n";
        let mut command = chroot.command("sh");
        command.args(["-ec", script]).env("NIX_CONFIG", configuration);
        Ok(self.lab.commands.output(&mut command)?.trim().to_owned())
    }

    /// Makes a system whose builder this processor can't run: this processor's busybox runs the
    /// same script, and the output is registered under the path that the derivation has.
    fn build_foreign(&self, toplevel: &str) -> Result<String> {
        let derivation = self.run(&format!("nix derivation show '{toplevel}'"))?;
        let all: serde_json::Value = serde_json::from_str(&derivation)?;
        let Some((path, one)) = all.as_object().and_then(|o| o.iter().next()) else {
            bail!("the stand-in flake has no derivation");
        };
        let out = one["outputs"]["out"]["path"].as_str().context("a derivation has an output")?;
        let mut script = String::new();
        for (name, value) in one["env"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            script.push_str(&format!("export {name}='{value}'\n"));
        }
        let base = one["env"]["base"].as_str().context("the derivation names its base")?;
        // The script starts `$base/busybox`, which is the guest's: a wrapper folder has ours instead.
        script.push_str(&format!(
            "sed 's|^bb=.*|bb=/usr/bin/busybox|' {base}/build-toplevel > /tmp/build-toplevel\n\
             sh /tmp/build-toplevel\n\
             refs=$(printf '%s\\n' {base} {out} | sort)\n\
             printf '%s\\n%s\\n2\\n%s\\n' {out} {path} \"$refs\" | nix-store --register-validity\n\
             rm /tmp/build-toplevel\n"
        ));
        self.run(&script)?;
        Ok(out.to_owned())
    }
}
