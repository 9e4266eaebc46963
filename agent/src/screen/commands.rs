//! What can be done → its key, its word, and what they are called.

use super::input::Key;

/// Something that can be done now, by one key or one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Install,
    Disk,
    Hostname,
    Username,
    Keyboard,
    Password,
    Passphrase,
    Stop,
    Retry,
    Restart,
    Boot,
    Reinstall,
    Shell,
    Log,
    PowerOff,
    Help,
}

impl Command {
    /// The key and what the screen calls it.
    pub(super) fn key(self) -> (Key, &'static str) {
        match self {
            Self::Install | Self::Reinstall => (Key::Char('i'), "I"),
            Self::Disk => (Key::Char('d'), "D"),
            Self::Hostname => (Key::Char('h'), "H"),
            Self::Username => (Key::Char('u'), "U"),
            Self::Keyboard => (Key::Char('k'), "K"),
            Self::Password | Self::Passphrase => (Key::Char('p'), "P"),
            Self::Stop => (Key::Char('c'), "C"),
            Self::Retry => (Key::Char('r'), "R"),
            Self::Restart | Self::Boot => (Key::Enter, "Enter"),
            Self::Shell => (Key::Char('s'), "S"),
            Self::Log => (Key::Char('l'), "L"),
            Self::PowerOff => (Key::Char('o'), "O"),
            Self::Help => (Key::F1, "F1"),
        }
    }

    /// What is typed for it where lines are typed.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Reinstall => "reinstall",
            Self::Disk => "disk",
            Self::Hostname => "host",
            Self::Username => "user",
            Self::Keyboard => "keyboard",
            Self::Password => "password",
            Self::Passphrase => "passphrase",
            Self::Stop => "cancel",
            Self::Retry => "retry",
            Self::Restart => "restart",
            Self::Boot => "start",
            Self::Shell => "shell",
            Self::Log => "log",
            Self::PowerOff => "off",
            Self::Help => "help",
        }
    }

    /// What it does, in a word, where the words of all have to fit into a line.
    pub(super) fn short(self) -> &'static str {
        match self {
            Self::Disk => "Disk",
            Self::Username => "User",
            Self::Hostname => "Host",
            Self::Keyboard => "Keys",
            Self::PowerOff => "Off",
            Self::Password | Self::Passphrase => "Pass",
            Self::Stop => "Cancel",
            _ => self.label(),
        }
    }

    /// What it does, in a word or two.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Install => "Install",
            Self::Disk => "Other disk",
            Self::Hostname => "Host name",
            Self::Username => "User name",
            Self::Keyboard => "Keyboard",
            Self::Password => "Password",
            Self::Passphrase => "Passphrase",
            Self::Stop => "Cancel the install",
            Self::Retry => "Retry",
            Self::Restart => "Restart",
            Self::Boot => "Start it",
            Self::Reinstall => "Reinstall",
            Self::Shell => "Shell",
            Self::Log => "Log",
            Self::PowerOff => "Power off",
            Self::Help => "Help",
        }
    }
}
