//! The interface `org.nixvm.Installer1.Disk`.

use zbus::{ObjectPath, interface};

use super::{PATH, text};
use crate::event::DiskView;

/// A disk that is attached.
pub(super) struct Disk {
    /// As it is shown.
    pub(super) view: DiskView,
}

#[interface(name = "org.nixvm.Installer1.Disk")]
impl Disk {
    /// The kernel's name.
    #[zbus(property)]
    fn name(&self) -> String {
        text(&self.view.name)
    }

    /// Device file, size, model and serial number in a line.
    #[zbus(property)]
    fn summary(&self) -> String {
        text(&self.view.summary)
    }

    /// Size in bytes.
    #[zbus(property)]
    fn size(&self) -> u64 {
        self.view.size_bytes
    }

    /// What its content means: blank, unfinished, installed, data or unreadable.
    #[zbus(property)]
    fn condition(&self) -> String {
        self.view.condition.name().to_owned()
    }

    /// What would be lost, a phrase each.
    #[zbus(property)]
    fn contents(&self) -> Vec<String> {
        self.view.contents.iter().map(|phrase| text(phrase)).collect()
    }

    /// Why it can't be installed to; empty if it can.
    #[zbus(property)]
    fn ineligible(&self) -> String {
        self.view.ineligible.as_deref().map(text).unwrap_or_default()
    }
}

/// The object of the disk with this kernel name.
///
/// A path may hold only letters, digits and `_`: other bytes, and a digit at the start, are written
/// as `_` and two hexadecimal digits, as systemd's `sd_bus_path_encode` does.
pub fn path_of(name: &str) -> ObjectPath<'static> {
    use std::fmt::Write;
    let mut path = format!("{PATH}/disks/");
    for (position, byte) in name.bytes().enumerate() {
        let plain = byte.is_ascii_alphabetic() || (byte.is_ascii_digit() && position > 0);
        let _infallible =
            if plain { path.write_char(char::from(byte)) } else { write!(path, "_{byte:02x}") };
    }
    ObjectPath::from_string_unchecked(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_valid_path_of_its_own() {
        for (name, last) in [
            ("vda", "vda"),
            ("nvme0n1", "nvme0n1"),
            ("cciss!c0d0", "cciss_21c0d0"),
            ("dm-0", "dm_2d0"),
            ("0_é", "_30_5f_c3_a9"),
        ] {
            let path = path_of(name);
            assert_eq!(path.as_str(), format!("/org/nixvm/Installer1/disks/{last}"));
            ObjectPath::try_from(path.as_str()).unwrap();
        }
    }
}
