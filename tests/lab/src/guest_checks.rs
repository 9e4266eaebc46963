//! A machine that booted from its own disk → whether it matches the answers.
//!
//! It is checked from two sides: by a login on the serial console, and from inside as root.

use anyhow::{Context, Result, ensure};

use crate::vm::Vm;

/// Places, with type, label of the file system and name of the partition.
pub type Mounts = &'static [(&'static str, &'static str)];

/// Identity and password that an installed machine should have.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Its host name.
    pub hostname: String,
    /// The account.
    pub username: String,
    /// The account's password.
    pub password: String,
    /// Its SSH keys.
    pub keys: Vec<String>,
    /// What is mounted.
    pub mounts: Mounts,
}

/// The size of the ESP, as `guest/live/disko` makes it.
const ESP_BYTES: u64 = 512 << 20;

/// Where the ESP of nixvm's own layout ends and the root begins: the table is in the first MiB.
pub const ROOT_OFFSET: u64 = (1 << 20) + ESP_BYTES;

/// What is mounted with nixvm's own layout.
const OWN_MOUNTS: &[(&str, &str)] =
    &[("/", "ext4 nixos disk-main-root"), ("/boot", "vfat boot disk-main-ESP")];

/// The password of the lab's own answers.
pub const PASSWORD: &str = "rehearsal";

/// [`PASSWORD`], by `openssl passwd -6`.
pub const PASSWORD_HASH: &str = "$6$rehearsal$KvE53SAPxzqTg9vgeGez9G.SWSHYzpMj9lc299CT6sBzcYCeu9rMaHm49HKR2QDS14A38KQRsAt3gbbXwcjjx/";

impl Default for Expected {
    fn default() -> Self {
        Self {
            hostname: "nixvm".to_owned(),
            username: "ht".to_owned(),
            password: PASSWORD.to_owned(),
            keys: Vec::new(),
            mounts: OWN_MOUNTS,
        }
    }
}

impl Expected {
    /// Logs in on the serial console.
    ///
    /// # Errors
    /// There is no prompt, or the password is not accepted.
    pub fn log_in(&self, vm: &mut Vm) -> Result<()> {
        let Self { hostname, username, password, .. } = self;
        let prompt = format!("{hostname} login: ");
        vm.serial.expect(&prompt, vm.accelerator.time(120)).context("no login prompt")?;
        vm.serial.send(&format!("{username}\n"))?;
        vm.serial.expect("Password: ", vm.accelerator.time(20))?;
        vm.serial.send(&format!("{password}\n"))?;
        // login(1) throws away what is typed before the shell's prompt.
        let shell = vm.serial.expect_any(&["$ ", "incorrect"], vm.accelerator.time(20))?;
        ensure!(shell == 0, "the account's password is not accepted");
        vm.serial.send("echo logged-in-as-$USER\n")?;
        vm.serial.expect(&format!("logged-in-as-{username}"), vm.accelerator.time(20))?;
        Ok(())
    }

    /// Checks everything that an install leaves behind.
    ///
    /// # Errors
    /// Something differs; the error says what, and both values.
    pub fn check(&self, vm: &mut Vm) -> Result<()> {
        let shell = &mut vm.shell;
        same("the host name", &shell.run("hostname")?, &self.hostname)?;
        same("the account", &shell.run("id -un 1000")?, &self.username)?;
        let groups = shell.run(&format!("id -nG {}", self.username))?;
        for group in ["wheel", "docker", "networkmanager"] {
            ensure!(groups.split(' ').any(|g| g == group), "it is not in {group}: {groups}");
        }
        same("root's password", &shell.run("getent shadow root | cut -d: -f2")?, "*")?;
        self.check_disk(vm)?;
        self.check_system(vm)?;
        for key in &self.keys {
            let file = format!("/home/{}/.ssh/authorized_keys", self.username);
            let count = vm.shell.run(&format!("grep -cxF '{key}' {file}"))?;
            same("a key's lines", &count, "1")?;
            same(
                "the keys' mode",
                &vm.shell.run(&format!("stat -c '%a %U' {file}"))?,
                &format!("600 {}", self.username),
            )?;
        }
        Ok(())
    }

    fn check_disk(&self, vm: &mut Vm) -> Result<()> {
        for (place, wanted) in self.mounts {
            let found =
                vm.shell.run(&format!("findmnt -no FSTYPE,LABEL,PARTLABEL {place} | xargs"))?;
            same(place, &found, wanted)?;
        }
        let size = vm.shell.run("lsblk -bno SIZE $(findmnt -no SOURCE /boot)")?;
        same("the ESP's size", &size, &ESP_BYTES.to_string())?;
        let bits = vm.shell.run("lsblk -no FSVER $(findmnt -no SOURCE /boot)")?;
        same("the ESP's FAT", &bits, "FAT32")?;
        vm.shell.run("test -s /boot/EFI/nixvm/installed").context("there is no receipt")?;
        Ok(())
    }

    fn check_system(&self, vm: &mut Vm) -> Result<()> {
        let shell = &mut vm.shell;
        shell.run("nix-store --verify --check-contents")?;
        let profile = shell.run("readlink -f /nix/var/nix/profiles/system")?;
        same("the running system", &shell.run("readlink -f /run/current-system")?, &profile)?;
        // The target's place on the live system, where Nix wrote its roots.
        let roots = "find /nix/var/nix/gcroots -type l -lname '/mnt*'";
        same("roots that lead nowhere", &shell.run(roots)?, "")?;
        for file in [
            "flake.nix",
            "flake.lock",
            "nix/host.nix",
            "nix/disk-device.nix",
            "nix/hardware-configuration.nix",
        ] {
            shell.run(&format!("test -s /etc/nixos/{file}"))?;
        }
        let host = shell.run("cat /etc/nixos/nix/host.nix")?;
        for value in [&self.hostname, &self.username] {
            ensure!(host.contains(&format!("\"{value}\"")), "host.nix has no {value}: {host}");
        }
        // --no-filesystems: disko declares them.
        let hardware = shell.run("cat /etc/nixos/nix/hardware-configuration.nix")?;
        ensure!(!hardware.contains("fileSystems"), "the hardware file declares file systems");
        let untracked = "git -C /etc/nixos status --porcelain | grep -v ^A || :";
        same("git's untracked files", &shell.run(untracked)?, "")?;
        same("the log's mode", &shell.run("stat -c %a /var/log/nixvm/*.log")?, "600")?;
        let state = shell.run("systemctl is-system-running --wait || systemctl --failed")?;
        same("the system", &state, "running")
    }
}

fn same(what: &str, found: &str, wanted: &str) -> Result<()> {
    ensure!(found == wanted, "{what} is {found:?} and not {wanted:?}");
    Ok(())
}
