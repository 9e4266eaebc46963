//! [`DiskRule`] and disks → the one disk that is meant, or why there is none.

use std::fmt;

use crate::disk::{DiskRule, Pick};
use crate::identity::{BY_ID, ById, DevicePath, Model, Serial};

/// Bytes of a virtio disk's serial number: `VIRTIO_BLK_ID_BYTES` in `linux/virtio_blk.h`.
const VIRTIO_SERIAL: usize = 20;

/// What a rule wants to know of a disk.
pub trait Disk {
    /// The device node, such as `/dev/vda`.
    fn node(&self) -> &str;
    /// All links to the node, such as `/dev/disk/by-id/…`, as whole paths.
    fn links(&self) -> impl Iterator<Item = &str>;
    /// Every serial number that the disk or the hypervisor says it has.
    fn serials(&self) -> impl Iterator<Item = &str>;
    /// The model, if it says one.
    fn model(&self) -> Option<&str>;
    /// Bytes.
    fn size(&self) -> u64;
}

/// Why a rule does not select exactly one disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unselected {
    /// The rule says nothing, and that must never mean "any disk".
    Empty,
    /// No disk passes the filters.
    None {
        /// The rule.
        rule: String,
        /// Node of a disk whose serial number is the rule's, but cut off as virtio does it.
        cut: Option<String>,
    },
    /// More than one disk passes the filters, or is the smallest or largest.
    Several {
        /// The rule.
        rule: String,
        /// Their nodes, sorted.
        nodes: Vec<String>,
    },
}

impl fmt::Display for Unselected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the disk rule is empty, so it selects no disk"),
            Self::None { rule, cut: None } => write!(f, "no disk matches the rule {rule}"),
            Self::None { rule, cut: Some(node) } => write!(
                f,
                "no disk matches the rule {rule}; virtio cuts serial numbers to {VIRTIO_SERIAL} \
                 characters, and those of {node} are the first ones of this one: give only them"
            ),
            Self::Several { rule, nodes } => {
                let (count, nodes) = (nodes.len(), nodes.join(", "));
                write!(f, "{count} disks match the rule {rule} equally well: {nodes}")
            }
        }
    }
}

impl std::error::Error for Unselected {}

impl DiskRule {
    /// Whether the rule names a disk by what no other disk should have: a path, a by-id name or a
    /// serial number.
    pub fn names_disk(&self) -> bool {
        self.path.is_some() || self.by_id.is_some() || self.serial.is_some()
    }

    /// Whether what the rule selects depends on what else is attached: `smallest`, `largest`, or
    /// `only` among disks of which it names none.
    pub fn is_relative(&self) -> bool {
        !self.names_disk() || matches!(self.pick, Some(Pick::Smallest | Pick::Largest))
    }

    /// Whether the rule has filters: one without passes every disk to its pick.
    pub fn has_filters(&self) -> bool {
        self.names_disk()
            || self.model.is_some()
            || self.min_size.is_some()
            || self.max_size.is_some()
    }

    /// Whether `disk` passes all the filters. A rule without filters passes every disk.
    ///
    /// What a disk does not say of itself, no filter matches.
    pub fn matches(&self, disk: &impl Disk) -> bool {
        let is_node = |path: &DevicePath| {
            disk.node() == path.as_str() || disk.links().any(|link| link == path.as_str())
        };
        let is_link =
            |name: &ById| disk.links().any(|link| link.strip_prefix(BY_ID) == Some(name.as_str()));
        let is_serial = |serial: &Serial| {
            let wanted = serial.as_str().trim();
            disk.serials().any(|serial| said(Some(serial)) == Some(wanted))
        };
        let is_model = |model: &Model| said(disk.model()).is_some_and(|said| model.matches(said));
        self.path.as_ref().is_none_or(is_node)
            && self.by_id.as_ref().is_none_or(is_link)
            && self.serial.as_ref().is_none_or(is_serial)
            && self.model.as_ref().is_none_or(is_model)
            && self.min_size.is_none_or(|least| disk.size() >= least.bytes())
            && self.max_size.is_none_or(|most| disk.size() <= most.bytes())
    }

    /// The one disk that is meant: filters first, then the pick.
    ///
    /// The order of `disks` does not matter, which is why a tie is an error and not the first.
    /// Whether the disk may be erased is another question: pass only those that may.
    ///
    /// # Errors
    /// None is meant, or more than one.
    pub fn select<'d, D: Disk>(&self, disks: &'d [D]) -> Result<&'d D, Unselected> {
        if self.is_empty() {
            return Err(Unselected::Empty);
        }
        let mut left: Vec<&D> = disks.iter().filter(|disk| self.matches(*disk)).collect();
        let sizes = left.iter().map(|disk| disk.size());
        let wanted = match self.pick.unwrap_or(Pick::Only) {
            Pick::Only => None,
            Pick::Smallest => sizes.min(),
            Pick::Largest => sizes.max(),
        };
        left.retain(|disk| wanted.is_none_or(|size| disk.size() == size));
        match left.as_slice() {
            [one] => Ok(one),
            [] => Err(Unselected::None { rule: self.to_string(), cut: self.cut_serial(disks) }),
            several => {
                let mut nodes: Vec<_> = several.iter().map(|disk| disk.node().to_owned()).collect();
                nodes.sort();
                Err(Unselected::Several { rule: self.to_string(), nodes })
            }
        }
    }
}

impl DiskRule {
    /// The node of a disk with the rule's serial number as virtio hands it over. It is only named, and
    /// not selected: disks whose numbers differ after the cut would look the same.
    fn cut_serial<D: Disk>(&self, disks: &[D]) -> Option<String> {
        let wanted = self.serial.as_ref()?.as_str().trim();
        let cut = wanted.get(..VIRTIO_SERIAL).filter(|cut| cut.len() < wanted.len())?;
        let disk =
            disks.iter().find(|disk| disk.serials().any(|serial| serial.trim() == cut.trim()))?;
        Some(disk.node().to_owned())
    }
}

/// What a disk says, unless that is nothing.
fn said(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Fake {
        node: String,
        links: Vec<String>,
        serial: Option<String>,
        model: Option<String>,
        size: u64,
    }

    impl Disk for Fake {
        fn node(&self) -> &str {
            &self.node
        }
        fn links(&self) -> impl Iterator<Item = &str> {
            self.links.iter().map(String::as_str)
        }
        fn serials(&self) -> impl Iterator<Item = &str> {
            self.serial.iter().flat_map(|serials| serials.split('|'))
        }
        fn model(&self) -> Option<&str> {
            self.model.as_deref()
        }
        fn size(&self) -> u64 {
            self.size
        }
    }

    fn disk(node: &str, serial: &str, model: &str, gib: u64) -> Fake {
        let said = |text: &str| (text != "none").then(|| text.to_owned());
        Fake {
            node: format!("/dev/{node}"),
            links: vec![format!("/dev/disk/by-id/x-{serial}"), "/dev/disk/by-path/p0".into()],
            serial: said(serial),
            model: said(model),
            size: gib << 30,
        }
    }

    fn selected(rule: &str, disks: &[Fake]) -> Result<String, Unselected> {
        rule.parse::<DiskRule>().unwrap().select(disks).map(|disk| disk.node.clone())
    }

    #[test]
    fn each_filter_selects_the_disk_it_names() {
        let disks = [disk("vda", "A1", "QEMU HARDDISK", 20), disk("sda", "none", "VBOX_X", 64)];
        for (rule, node) in [
            ("/dev/sda", "/dev/sda"),
            ("/dev/disk/by-id/x-A1", "/dev/vda"),
            ("by-id=x-A1", "/dev/vda"),
            ("serial=A1", "/dev/vda"),
            ("model=vbox*", "/dev/sda"),
            ("min-size=21G", "/dev/sda"),
            ("max-size=20G", "/dev/vda"),
            ("smallest", "/dev/vda"),
            ("largest", "/dev/sda"),
            ("min-size=10G,max-size=100G,largest", "/dev/sda"),
            ("serial=A1,only", "/dev/vda"),
        ] {
            assert_eq!(selected(rule, &disks).as_deref(), Ok(node), "{rule}");
        }
    }

    #[test]
    fn any_serial_number_of_a_disk_matches_and_a_shared_one_is_ambiguous() {
        // Two disks behind one controller, whose number both say beside their own.
        let disks =
            [disk("sda", "6005|PDNL", "LOGICAL", 20), disk("sdb", "6006|PDNL", "LOGICAL", 20)];
        assert_eq!(selected("serial=6005", &disks).as_deref(), Ok("/dev/sda"));
        assert_eq!(selected("serial=6006", &disks).as_deref(), Ok("/dev/sdb"));
        assert!(matches!(selected("serial=PDNL", &disks), Err(Unselected::Several { .. })));
    }

    #[test]
    fn a_rule_is_relative_unless_it_names_the_disk() {
        for (rule, relative) in [
            ("/dev/vda", false),
            ("by-id=x-A1", false),
            ("serial=A1", false),
            ("serial=A1,only", false),
            ("serial=A1,min-size=1G", false),
            ("serial=A1,largest", true),
            ("only", true),
            ("smallest", true),
            ("largest", true),
            ("model=QEMU*", true),
            ("min-size=1G", true),
            ("max-size=1T,only", true),
        ] {
            assert_eq!(rule.parse::<DiskRule>().unwrap().is_relative(), relative, "{rule}");
        }
    }

    #[test]
    fn what_is_not_exactly_one_is_none() {
        let disks = [disk("vda", "A1", "QEMU", 20), disk("vdb", "A1", "none", 20)];
        for rule in ["only", "serial=A1", "smallest", "largest", "/dev/disk/by-path/p0"] {
            let error = selected(rule, &disks).unwrap_err();
            assert!(error.to_string().ends_with(": /dev/vda, /dev/vdb"), "{error}");
        }
        for rule in ["serial=a1", "serial=A", "/dev/vd", "by-id=A1", "model=Q", "max-size=19G"] {
            assert!(matches!(selected(rule, &disks), Err(Unselected::None { .. })), "{rule}");
        }
        assert!(matches!(selected("smallest", &[]), Err(Unselected::None { .. })));
    }

    #[test]
    fn a_serial_number_that_virtio_cut_off_is_pointed_out() {
        let disks = [disk("vda", "7286dfe6-7c44-4057-a", "none", 20)];
        let whole = "serial=7286dfe6-7c44-4057-a1b2-123456789abc";
        let error = selected(whole, &disks).unwrap_err().to_string();
        assert!(error.contains("virtio cuts") && error.contains("of /dev/vda"), "{error}");
        let error = selected("serial=another-number-of-36-characters", &disks).unwrap_err();
        assert!(!error.to_string().contains("virtio"), "{error}");
        assert!(selected("serial=7286dfe6-7c44-4057-a", &disks).is_ok());
    }

    #[test]
    fn what_a_disk_does_not_say_matches_nothing() {
        let disks = [disk("vda", "none", "none", 20), disk("vdb", "  ", " ", 20)];
        for rule in ["serial=x", "model=*", "serial=none"] {
            assert!(matches!(selected(rule, &disks), Err(Unselected::None { .. })), "{rule}");
        }
    }

    #[test]
    fn an_empty_rule_selects_nothing_even_from_one_disk() {
        let only = [disk("vda", "A1", "QEMU", 20)];
        assert_eq!(DiskRule::default().select(&only), Err(Unselected::Empty));
    }

    fn any_disk() -> impl Strategy<Value = Fake> {
        let serial = select(vec!["A1", "B2", "none"]);
        let model = select(vec!["QEMU HARDDISK", "VBOX_HARDDISK", "none"]);
        (select(vec!["vda", "vdb", "sda", "nvme0n1"]), serial, model, 1_u64..5)
            .prop_map(|(node, serial, model, gib)| disk(node, serial, model, gib))
    }

    fn any_rule() -> impl Strategy<Value = DiskRule> {
        let part = select(vec![
            ("path", "/dev/vda"),
            ("by-id", "x-A1"),
            ("serial", "A1"),
            ("model", "*hard*"),
            ("min-size", "2G"),
            ("max-size", "3G"),
            ("pick", "only"),
            ("pick", "smallest"),
            ("pick", "largest"),
        ]);
        proptest::collection::vec(part, 0..4).prop_map(|parts| {
            let mut rule = DiskRule::default();
            for (key, value) in parts {
                let _given_twice = rule.set(key, value);
            }
            rule
        })
    }

    proptest! {
        #[test]
        fn the_order_of_disks_does_not_matter(
            rule in any_rule(),
            (disks, shuffled) in proptest::collection::vec(any_disk(), 0..6)
                .prop_flat_map(|disks| (Just(disks.clone()), Just(disks).prop_shuffle()))
        ) {
            prop_assert_eq!(rule.select(&disks), rule.select(&shuffled));
        }

        #[test]
        fn a_selected_disk_passes_the_filters_and_no_other_is_as_good(
            rule in any_rule(),
            disks in proptest::collection::vec(any_disk(), 0..6),
        ) {
            if let Ok(one) = rule.select(&disks) {
                prop_assert!(!rule.is_empty() && rule.matches(one));
                let rivals = disks.iter().filter(|disk| rule.matches(*disk));
                let better = |disk: &&Fake| match rule.pick {
                    None | Some(Pick::Only) => true,
                    Some(Pick::Smallest) => disk.size <= one.size,
                    Some(Pick::Largest) => disk.size >= one.size,
                };
                prop_assert_eq!(rivals.filter(better).count(), 1);
            }
        }
    }
}
