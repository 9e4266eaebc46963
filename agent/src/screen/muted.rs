//! A terminal that is drawn on → a kernel that writes nothing over it but emergencies.

use std::fs;
use std::path::{Path, PathBuf};

/// Four levels; messages below the first one go to the consoles (`Documentation/admin-guide/sysctl/kernel.rst`).
const LEVELS: &str = "/proc/sys/kernel/printk";

/// Lets emergencies through alone.
const EMERGENCIES: &str = "1";

/// The kernel's messages are kept from the consoles until this is dropped; the journal has them all.
pub(super) struct Muted {
    levels: PathBuf,
    before: String,
}

impl Muted {
    /// For a terminal that is a virtual console: the kernel writes to no other that is drawn on. None where
    /// the levels can't be set; then messages are drawn over after a while.
    pub(super) fn on(terminal: &Path) -> Option<Self> {
        is_virtual_console(terminal).then(|| Self::mute(LEVELS.into())).flatten()
    }

    fn mute(levels: PathBuf) -> Option<Self> {
        let all = fs::read_to_string(&levels).ok()?;
        let before = all.split_whitespace().next()?.to_owned();
        fs::write(&levels, EMERGENCIES).ok()?;
        Some(Self { levels, before })
    }
}

impl Drop for Muted {
    fn drop(&mut self) {
        let _stays_muted = fs::write(&self.levels, &self.before);
    }
}

fn is_virtual_console(terminal: &Path) -> bool {
    let number = terminal.to_str().and_then(|path| path.strip_prefix("/dev/tty"));
    number.is_some_and(|number| number.parse::<u8>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_that_of_emergencies_and_then_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let levels = folder.path().join("printk");
        fs::write(&levels, "4\t4\t1\t7\n").unwrap();
        let muted = Muted::mute(levels.clone()).unwrap();
        assert_eq!(fs::read_to_string(&levels).unwrap(), "1");
        drop(muted);
        assert_eq!(fs::read_to_string(&levels).unwrap(), "4");
        assert!(Muted::mute(folder.path().join("none")).is_none());
    }

    #[test]
    fn only_virtual_consoles_are_muted() {
        let consoles = ["/dev/tty1", "/dev/tty12", "/dev/ttyS0", "/dev/tty", "/dev/pts/1"]
            .map(|path| is_virtual_console(Path::new(path)));
        assert_eq!(consoles, [true, true, false, false, false]);
    }
}
