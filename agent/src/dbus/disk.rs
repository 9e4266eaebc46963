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

    /// The device file, for example `/dev/vda`.
    #[zbus(property)]
    fn device(&self) -> String {
        text(&self.view.device)
    }

    /// Model; empty if the disk has none.
    #[zbus(property)]
    fn model(&self) -> String {
        optional(self.view.model.as_ref())
    }

    /// Serial number; empty if the disk has none. Not unique: virtual disks may share one.
    #[zbus(property)]
    fn serial(&self) -> String {
        optional(self.view.serial.as_ref())
    }

    /// World Wide Name; empty if the disk has none.
    #[zbus(property, name = "WWN")]
    fn wwn(&self) -> String {
        optional(self.view.wwn.as_ref())
    }

    /// Name in `/dev/disk/by-id`; empty if the disk has none.
    #[zbus(property)]
    fn id(&self) -> String {
        optional(self.view.id.as_ref())
    }

    /// Device file, size, model and serial number in a line, for people.
    #[zbus(property)]
    fn summary(&self) -> String {
        text(&self.view.summary)
    }

    /// Size in bytes.
    #[zbus(property)]
    fn size(&self) -> u64 {
        self.view.size_bytes
    }

    /// What its content means: blank, unfinished, installed, possibly-installed, data or unreadable. Treat
    /// any other value as data.
    #[zbus(property)]
    fn condition(&self) -> String {
        self.view.condition.name().to_owned()
    }

    /// What would be lost, a phrase each.
    #[zbus(property)]
    fn contents(&self) -> Vec<String> {
        self.view.contents.iter().map(|phrase| text(phrase)).collect()
    }

    /// Why it can't be installed to: not-a-disk, optical, floppy, boot-medium, installer-iso,
    /// answers-volume, empty, read-only, removable, multipath-member, in-use, too-small, unsettled or unreadable; empty if it
    /// can. Treat any other value as a reason why it can't.
    #[zbus(property)]
    fn ineligible_reason(&self) -> String {
        self.view.ineligible.as_ref().map(|why| why.reason.name().to_owned()).unwrap_or_default()
    }

    /// The same in words, with details.
    #[zbus(property)]
    fn ineligible_message(&self) -> String {
        optional(self.view.ineligible.as_ref().map(|why| &why.message))
    }
}

fn optional(value: Option<&String>) -> String {
    value.map(|value| text(value)).unwrap_or_default()
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
    use crate::disk::Condition;
    use crate::disk::eligibility::Ineligible;
    use crate::machine::hypervisor::Hypervisor;

    #[test]
    fn the_documentation_has_every_value() {
        use strum::VariantNames;
        let xml = include_str!("../../../iso/org.nixvm.Installer1.xml");
        for (property, values) in [
            ("Condition", Condition::VARIANTS),
            ("IneligibleReason", Ineligible::VARIANTS),
            ("Hypervisor", Hypervisor::VARIANTS),
        ] {
            let (before, _) = xml.split_once(&format!("name=\"{property}\"")).unwrap();
            let (_, comment) = before.rsplit_once("<!--").unwrap();
            let is_end = |c: char| !(c.is_ascii_lowercase() || c == '-');
            let words: Vec<_> = comment.split(is_end).collect();
            for value in values {
                assert!(words.contains(value), "{property}: {value} is not documented");
            }
        }
    }

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
