//! The words of both interfaces, in one place.
//!
//! Labels and sentences without a value in them. A sentence with values is a function here; labels of
//! answers, titles of steps and everything that other interfaces say too stand beside their data.

use super::dialog::SecretOf;
use crate::machine::Machine;

pub(super) const CHECKING: &str = "Checking this machine";
pub(super) const NOTHING_WRITTEN: &str = "Nothing has been written yet.";
pub(super) const ANY_KEY_STOPS: &str = "Press any key to stop.";
pub(super) const ONE_MOMENT: &str = "One moment...";

pub(super) const WHAT_WILL_HAPPEN: &str = "What will happen";
pub(super) const DISKS: &str = "Disks";
pub(super) const NOT_USABLE: &str = "Not usable";
pub(super) const STEPS: &str = "Steps";
pub(super) const DANGER: &str = "! DANGER";
pub(super) const DETAILS: &str = "Details";
pub(super) const WHAT_TO_DO: &str = "What to do";
pub(super) const LOG: &str = "Log";
pub(super) const MORE: &str = "... (more than fits here)";

pub(super) const CHOOSE_DISK: &str = "Which disk should NixOS be installed on?";
pub(super) const CHOOSE_DISK_AGAIN: &str = "Reinstall on which disk?";
pub(super) const CHOOSING_IS_SAFE: &str =
    "Choosing writes nothing. You confirm before anything is erased.";
pub(super) const CHOOSE_KEYMAP: &str = "Which keyboard is this?";
pub(super) const KEYMAP_AT_ONCE: &str =
    "Type a part of the keymap's name. It is used at once, and by the installed system.";
pub(super) const KEYBOARD: &str = "Keymap";
pub(super) const WAITING: &str = "Waiting for a disk";

pub(super) const PRESS_I: &str = "Press I to install.";
pub(super) const PRESS_I_AND_TYPE: &str =
    "Press I to continue; you confirm by typing the disk's name.";
pub(super) const NO_UNDO: &str = "This cannot be undone.";

pub(super) const PASSWORD_DURING_COPY: &str = "you choose it while the system is copied";
pub(super) const PASSWORD_OR_GENERATED: &str =
    "Skip it, and one is generated and shown at the end.";
pub(super) const HASHING: &str = "Hashing it...";
pub(super) const GENERATED: &str = "Generated password: write it down";
pub(super) const PASSWORD_SET: &str = "The password is set.";
pub(super) const PASSPHRASE_SET: &str = "The passphrase is set.";
pub(super) const CHOOSE_PASSPHRASE: &str = "Choose a passphrase for the disk";
pub(super) const PASSPHRASE_LOST: &str =
    "The system asks for it at every start. The disk can't be recovered without it.";
pub(super) const STOP_QUESTION: &str = "Cancel the install?";
pub(super) const STOP_MEANS: &str =
    "The disk may already be erased and will not boot. You can start again.";

pub(super) const LOG_IN_AS: &str = "Log in as";
pub(super) const AFTER_RESTART: &str = "After the restart";
pub(super) const GRAPHICAL_LOGIN: &str = "A graphical login screen appears.";
pub(super) const TEXT_LOGIN: &str = "The console asks for user name and password.";
/// Whether something has to be detached; an image in memory may have come from no ISO.
pub(super) fn may_stay(machine: Option<&Machine>) -> &'static str {
    match machine {
        Some(machine) if machine.image_in_memory_bytes > 0 => "Nothing has to stay attached.",
        _ => "The ISO may stay attached.",
    }
}

pub(super) const PRESS_ENTER_TO_RESTART: &str = "Press Enter to restart into the installed system.";
pub(super) const ANY_KEY_STAYS: &str = "Press any key to stay here.";
/// That a webhook is waited for.
pub(super) fn telling(url: &str) -> String {
    format!("Telling {url} how it ended. This takes 30 s at most; Enter goes on without.")
}

pub(super) const RESTARTING: &str = "Restarting...";
pub(super) const POWERING_OFF: &str = "Powering off...";

pub(super) const FAILED: &str = "Installation failed";
pub(super) const REFUSED: &str = "NixOS can't be installed yet";
pub(super) const RETRY_STARTS_OVER: &str = "Retry starts over.";
pub(super) const PRESS_ENTER_TO_START: &str = "Press Enter to start it.";
pub(super) const TO_REINSTALL: &str =
    "To reinstall, press I. You confirm before anything is erased.";

/// What only the plain lines say: where the full screen has keys, words are typed.
pub(super) mod dialogue {
    pub(in crate::screen) const TYPE_INSTALL: &str = "Type install to install.";
    pub(in crate::screen) const TYPE_INSTALL_AND_NAME: &str =
        "Type install to continue; you confirm by typing the disk's name.";
    pub(in crate::screen) const TYPE_RESTART: &str =
        "Type restart to restart into the installed system.";
    pub(in crate::screen) const TYPE_START: &str = "Type start to start it.";
    pub(in crate::screen) const TYPE_REINSTALL: &str =
        "To reinstall, type reinstall. You confirm before anything is erased.";
    pub(in crate::screen) const TYPE_KEYMAP: &str =
        "Type a keymap's name, or a part of it to list the names that contain it.";
    pub(in crate::screen) const NOT_SHOWN: &str = "It is not shown as you type.";
    pub(in crate::screen) const ENTER_SKIPS: &str = "Enter alone skips it.";
    pub(in crate::screen) const ENTER_KEEPS: &str = "Enter alone changes nothing.";
    pub(in crate::screen) const ENTER_GOES_BACK: &str = "Enter alone goes back and erases nothing.";
    pub(in crate::screen) const SKIPPED: &str =
        "No password was chosen. To choose one, type the word password.";
    pub(in crate::screen) const NO_PASSPHRASE: &str =
        "No passphrase was chosen. To choose one, type the word passphrase.";
    pub(in crate::screen) const ENTER_LEAVES: &str = "Enter alone leaves it missing.";
    pub(in crate::screen) const PASSPHRASE: &str = "Passphrase:";
    pub(in crate::screen) const YES_CANCELS: &str =
        "Type yes to cancel it; anything else keeps installing:";
    pub(in crate::screen) const DISK: &str = "Disk name:";
    pub(in crate::screen) const PASSWORD: &str = "Password:";
    pub(in crate::screen) const REPEAT: &str = "Repeat it:";
    pub(in crate::screen) const PROMPT: &str = ">";
    pub(in crate::screen) const NO_LOG: &str = "The log is empty.";

    /// Asks for a value that takes the place of the present one.
    pub(in crate::screen) fn change(name: &str, present: &str) -> String {
        format!("{name} [{present}]:")
    }

    /// What can be typed.
    pub(in crate::screen) fn commands(words: &[&str]) -> String {
        format!("Commands: {}", words.join(", "))
    }

    /// A word that is no command, or none now.
    pub(in crate::screen) fn no_command(word: &str, words: &[&str]) -> String {
        format!("There is no command {word:?} here. Type one of: {}", words.join(", "))
    }

    /// A name that no disk has.
    pub(in crate::screen) fn no_disk(name: &str, names: &[&str]) -> String {
        format!("There is no disk {name:?}. Nothing was chosen. Type one of: {}", names.join(", "))
    }

    /// A disk that can't be installed to.
    pub(in crate::screen) fn not_usable(device: &str, why: &str) -> String {
        format!("{device} can't be used: {why}. Nothing was chosen.")
    }

    /// Keymaps whose names contain a text, and how many more there are.
    pub(in crate::screen) fn keymaps(found: &[&str], more: usize) -> String {
        let more = if more == 0 { String::new() } else { format!(", and {more} more") };
        format!("Type one of these names in full: {}{more}", found.join(", "))
    }
}

/// A part of the help: a title, and paragraphs.
type Help = (&'static str, &'static [&'static str]);

/// The help, but for what only the full screen has.
pub(super) const HELP: [Help; 2] = [
    (
        "What happens",
        &[
            "The installer looks for a disk. On a virtual machine with one blank disk it starts by \
             itself after a countdown, which any key stops. Otherwise it asks.",
            "A disk with data on it is erased only after you have typed its name.",
            "The installer partitions and formats the disk, copies the system, sets up the account, \
             and restarts into it. A disk whose install is not complete does not boot.",
        ],
    ),
    (
        "Unattended",
        &[
            "Answers set host name, user, password, SSH keys and disk beforehand:",
            "- nixvm-iso customize nixvm.iso --hostname web --ssh-key id.pub",
            "- a file nixvm.toml on a volume labelled NIXVM",
            "- nixvm.hostname=web and the like on the kernel command line",
            "For a disk with data they also need erase = \"any\" and a rule that selects that disk \
             alone.",
        ],
    ),
];

/// The help's last part on the full screen.
pub(super) const HELP_ON_SCREEN: Help = (
    "Beside this screen",
    &["Alt+F2 is another console; nixvm-agent --help there. Ctrl+L redraws this screen."],
);

/// What is announced before anything is written.
pub(super) fn will_be_installed(system: &str, disk: &str) -> String {
    format!("{system} will be installed on {disk}.")
}

/// The same, where it does not begin by itself.
pub(super) fn ready(system: &str, disk: &str) -> String {
    format!("Ready to install {system} on {disk}.")
}

/// The words of every partitioning tool.
pub(super) fn erases_all(disk: &str, size: &str) -> String {
    format!("THIS WILL ERASE ALL DATA on {disk} ({size})")
}

/// What is confirmed.
pub(super) fn confirm(disk: &str) -> String {
    format!("Confirm: erase {disk}")
}

/// What is to be typed; the field follows.
pub(super) fn type_name(name: &str) -> String {
    format!("Continue? To erase it, type its name, {name}, then press Enter:")
}

/// What follows the erasure.
pub(super) fn then_installed(system: &str, hostname: &str, username: &str) -> String {
    format!("Then {system} is installed: host name {hostname}, user {username}.")
}

/// What a password is for.
pub(super) fn choose_password(username: Option<&str>) -> String {
    match username {
        Some(username) => format!("Choose a password for {username}"),
        None => "Choose a password".to_owned(),
    }
}

/// What to do about an empty field.
pub(super) fn type_secret(of: SecretOf) -> String {
    format!("Type a {}, or press Esc.", secret(of))
}

/// What was typed twice is not the same.
pub(super) fn no_match(of: SecretOf) -> String {
    format!("The {}s don't match.", secret(of))
}

fn secret(of: SecretOf) -> &'static str {
    match of {
        SecretOf::Account => "password",
        SecretOf::Disk => "passphrase",
    }
}

/// What to know of a generated password that is shown.
pub(super) fn about_generated(expired: bool) -> String {
    let then = match expired {
        true => ", and must be changed at first login",
        false => "; change it after you log in",
    };
    format!("Type the hyphens too. It is not shown again{then}.")
}

/// Which keys type what.
pub(super) fn typed_with(keymap: &str) -> String {
    format!("Keymap: {keymap}")
}
