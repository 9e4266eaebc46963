//! A folder of Debian's packages → QEMU with its firmware, started from there.
//!
//! The host's QEMU, where there is one, neither decides how a scenario ends nor is replaced. The programs
//! are started by the folder's own loader and libraries, and see the host's files.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::accel::Accelerator;
use crate::build::Arch;

/// QEMU and its firmware in a folder, by [`crate::build::Lab::emulator`].
#[derive(Clone, Debug)]
pub struct Emulator {
    root: PathBuf,
    crowded: bool,
}

impl Emulator {
    /// What is in `root`, the root folder of a Debian of the lab's processor.
    pub fn new(root: PathBuf) -> Self {
        Self { root, crowded: false }
    }

    /// The same, for `machines` that run at a time. Where they leave no processor of the host idle, each
    /// machine's processors take turns on one thread: threads that wait for each other's locks take more
    /// of the host's time.
    pub fn shared_by(self, machines: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { crowded: machines > 1 && machines >= processors, ..self }
    }

    /// QEMU's option for an accelerator.
    pub(super) fn option(&self, accelerator: Accelerator) -> &'static str {
        match accelerator {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg(_) if self.crowded => "tcg,thread=single",
            Accelerator::Tcg(_) => "tcg",
        }
    }

    /// A command that runs QEMU for guests of `arch`, and has no arguments of the machine yet.
    pub fn command(&self, arch: Arch) -> Command {
        let mut command = Command::new(self.libraries().join("ld-linux-x86-64.so.2"));
        self.add_program(&mut command, arch);
        command
    }

    /// The same, and the kernel kills it when the thread that started it ends.
    pub fn bound_command(&self, arch: Arch) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(self.libraries().join("ld-linux-x86-64.so.2"));
        self.add_program(&mut command, arch);
        command
    }

    /// Makes a program in `folder` that runs QEMU for guests of `arch`, under its own name: for a test that looks
    /// for it in PATH.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write_program(&self, arch: Arch, folder: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let command = self.command(arch);
        let quote = |word: &OsStr| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"));
        let mut script = "#!/bin/sh\n".to_owned();
        for (name, value) in command.get_envs() {
            let value = quote(value.unwrap_or_default());
            script += &format!("export {}={value}\n", name.to_string_lossy());
        }
        let words = std::iter::once(command.get_program()).chain(command.get_args()).map(quote);
        script += &format!("exec {} \"$@\"\n", words.collect::<Vec<_>>().join(" "));
        let file = folder.join(program(arch));
        let about = || format!("cannot write {}", file.display());
        std::fs::create_dir_all(folder).with_context(about)?;
        std::fs::write(&file, script).with_context(about)?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).with_context(about)
    }

    /// QEMU's version, as `--version` says it in its first line.
    ///
    /// # Errors
    /// QEMU can't be started.
    pub fn version(&self, arch: Arch) -> Result<String> {
        let mut command = self.command(arch);
        let output = command.arg("--version").output().context("cannot start QEMU")?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
    }

    /// A file in which the version of the Debian package `package` is the first line's: gzip's.
    pub fn changelog(&self, package: &str) -> PathBuf {
        self.root.join("usr/share/doc").join(package).join("changelog.Debian.gz")
    }

    /// The file of UEFI's code for `arch`.
    pub fn firmware_code(&self, arch: Arch) -> PathBuf {
        self.root.join(match arch {
            Arch::X86_64 => "usr/share/OVMF/OVMF_CODE_4M.fd",
            Arch::Aarch64 => "usr/share/AAVMF/AAVMF_CODE.fd",
        })
    }

    /// Makes a variable store of a machine's own in `file`, with nothing in it.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn fresh_variables(&self, arch: Arch, file: &Path) -> Result<()> {
        let template = self.root.join(match arch {
            Arch::X86_64 => "usr/share/OVMF/OVMF_VARS_4M.fd",
            Arch::Aarch64 => "usr/share/AAVMF/AAVMF_VARS.fd",
        });
        std::fs::copy(&template, file)
            .with_context(|| format!("cannot copy {} to {}", template.display(), file.display()))?;
        Ok(())
    }

    fn libraries(&self) -> PathBuf {
        self.root.join("usr/lib/x86_64-linux-gnu")
    }

    /// QEMU as the loader's arguments: it looks for its own files beside the loader unless it is told
    /// where they are.
    fn add_program(&self, command: &mut Command, arch: Arch) {
        let program = program(arch);
        let libraries = self.libraries();
        command.env("QEMU_MODULE_DIR", libraries.join("qemu"));
        // Those of the host are for the host's libraries.
        command.env("GIO_MODULE_DIR", libraries.join("gio/modules"));
        command.args(["--argv0", program, "--library-path"]).arg(&libraries);
        command.arg(self.root.join("usr/bin").join(program));
        for data in ["usr/share/qemu", "usr/share/seabios"] {
            command.arg("-L").arg(self.root.join(data));
        }
    }
}

fn program(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "qemu-system-x86_64",
        Arch::Aarch64 => "qemu-system-aarch64",
    }
}
