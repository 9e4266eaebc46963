//! Examples for unit tests.

use nixvm_answers::answers::{Finish, Network};

use crate::disk::identity::Identity;
use crate::disk::{Condition, Content, Device, Disk, Kind};
use crate::machine::{Firmware, Hypervisor, Machine};
use crate::plan::Configuration;
use crate::plan::{ChosenBy, Plan, System, Target};

/// A virtual machine that can be installed.
pub(crate) fn machine() -> Machine {
    Machine {
        hypervisor: Hypervisor::Kvm,
        firmware: Firmware::Uefi,
        architecture: "x86_64".to_owned(),
        memory_bytes: 2 << 30,
        root: true,
    }
}

/// A blank disk of 64 GiB, eligible in every way.
pub(crate) fn disk(name: &str) -> Disk {
    let index = name.bytes().last().unwrap_or_default();
    Disk {
        device: Device {
            name: name.to_owned(),
            node: format!("/dev/{name}").into(),
            number: (254, u32::from(index)),
            diskseq: Some(u64::from(index)),
            size_bytes: 64 << 30,
            sector_bytes: 512,
            serial: Some(format!("serial-{name}")),
            kind: Kind::Disk,
            ..Device::default()
        },
        content: Content {
            edges_zero: true,
            head_zero: true,
            digest: format!("digest-{name}"),
            ..Content::default()
        },
    }
}

/// A plan for that disk.
pub(crate) fn plan(name: &str) -> Plan {
    let disk = disk(name);
    Plan {
        target: Target {
            name: name.to_owned(),
            identity: Identity::of(&disk),
            summary: disk.summary(),
            condition: Condition::Blank,
            erases: Vec::new(),
            chosen_by: ChosenBy::OnlyOne,
        },
        system: System::Copy { toplevel: "/nix/store/x-system".to_owned() },
        configuration: Configuration {
            hostname: "nixvm".to_owned(),
            username: "nixos".to_owned(),
            full_name: String::new(),
            disk_device: format!("/dev/{name}").into(),
        },
        countdown: 10,
        finish: Finish::Reboot,
        network: Network::Auto,
        answers: Vec::new(),
    }
}
