//! Examples for unit tests.

use std::sync::Arc;

use nixvm_answers::answers::{Finish, Network};
use tokio::sync::watch;

use crate::account::Account;
use crate::disk::identity::Identity;
use crate::disk::watch::Attached;
use crate::disk::{Condition, Content, Device, Disk, Kind};
use crate::event::publisher::Publisher;
use crate::log::Log;
use crate::machine::{Firmware, Hypervisor, Machine};
use crate::plan::Configuration;
use crate::plan::{ChosenBy, Plan, System, Target};
use crate::request::InstallerHandle;
use crate::session::{Session, SessionContext};

/// An installer with nothing attached, on a virtual machine, and the handle in front of it.
pub(crate) fn session() -> (Session, InstallerHandle) {
    let manifest = nixvm_manifest::parse(include_str!("../manifest/fixtures/manifest.json"))
        .expect("the example is a manifest");
    let log = tempfile::NamedTempFile::new().expect("a file can be made");
    let (handle, requests) = InstallerHandle::new();
    let context = SessionContext {
        manifest,
        machine: machine(),
        found: Vec::new(),
        attached: watch::Sender::new(Attached::default()).subscribe(),
        rescan: None,
        requests,
        publisher: Publisher::new(Vec::new()),
        log: Arc::new(Log::open(log.path()).expect("the log can be opened")),
        account: watch::Sender::new(Account::default()),
        screen: true,
        checkpoint: log.path().with_extension("checkpoint"),
        install: |_| Box::pin(std::future::pending()),
    };
    (Session::new(context), handle)
}

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
            username: "ht".to_owned(),
            full_name: String::new(),
            disk_device: format!("/dev/{name}").into(),
        },
        countdown: 10,
        finish: Finish::Reboot,
        network: Network::Auto,
        answers: Vec::new(),
    }
}
