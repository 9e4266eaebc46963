//! The rules of safety, on worlds that are made up.

mod consent_table;
mod no_cloud;
mod properties;
mod refusals;
mod traps;

use nixvm_answers::{Problems, Resolved, Source, SourceAnswers, document, resolve};
use nixvm_manifest::Manifest;

use super::{Decision, Facts, Plan, UserChoices, decide};
use crate::disk::marker::Marker;
use crate::disk::receipt::{Loader, Receipt};
use crate::disk::{Disk, Partition, Signature};
use crate::machine::{Firmware, Hypervisor, Machine};
use crate::plan::{Buildable, Check, Checked};

/// Everything that a decision depends on, owned.
#[derive(Clone, Debug)]
struct World {
    manifest: Manifest,
    machine: Machine,
    answers: Result<Resolved, Problems>,
    disks: Vec<Disk>,
    choices: UserChoices,
    checked: Checked,
}

impl World {
    /// A VM of 2 GB with these disks and nothing answered.
    fn new(disks: impl IntoIterator<Item = Disk>) -> Self {
        let manifest =
            nixvm_manifest::parse(include_str!("../../../manifest/fixtures/manifest.json"))
                .unwrap();
        let machine = Machine {
            hypervisor: Hypervisor::Qemu,
            firmware: Firmware::Uefi,
            architecture: "x86_64".into(),
            memory_bytes: 2 << 30,
            root: true,
        };
        Self {
            answers: resolved(&manifest, ""),
            manifest,
            machine,
            disks: disks.into_iter().collect(),
            choices: UserChoices::default(),
            checked: Checked::default(),
        }
    }

    fn answering(mut self, toml: &str) -> Self {
        self.answers = resolved(&self.manifest, toml);
        self
    }

    fn on(mut self, hypervisor: Hypervisor) -> Self {
        self.machine.hypervisor = hypervisor;
        self
    }

    fn choosing(mut self, name: &str) -> Self {
        let disk = self.disks.iter().find(|disk| disk.device.name == name).unwrap();
        self.choices.disk = Some(crate::disk::identity::Identity::of(disk));
        self
    }

    fn decide(&self) -> Decision {
        decide(&Facts {
            manifest: &self.manifest,
            machine: &self.machine,
            answers: self.answers.as_ref(),
            disks: &self.disks,
            choices: &self.choices,
            checked: &self.checked,
        })
    }

    /// Decides, and finds out well whatever has to be found out for that.
    fn decide_checked(&mut self) -> Decision {
        loop {
            match self.decide() {
                Decision::Check(Check::Network) => self.checked.network = Some(Ok(())),
                Decision::Check(Check::Build(wanted)) => {
                    self.checked.build = Some((wanted, Ok(buildable())));
                }
                decision => return decision,
            }
        }
    }
}

/// What a volume with this file and the manifest say together.
fn resolved(manifest: &Manifest, toml: &str) -> Result<Resolved, Problems> {
    let source = Source::Volume { device: "/dev/sr1".into() };
    let given: Result<SourceAnswers, Problems> = document::parse(toml.as_bytes(), source);
    resolve([given], manifest.answer_defaults().unwrap())
}

fn buildable() -> Buildable {
    Buildable {
        derivation: "/nix/store/x.drv".into(),
        toplevel: "/nix/store/y-nixos-system-web".into(),
        builds: 12,
        downloads: 0,
        online: false,
    }
}

fn blank(name: &str) -> Disk {
    crate::disk::examples::disk(name)
}

/// With a partition table and an ext4 with data.
fn data(name: &str) -> Disk {
    let mut disk = blank(name);
    disk.device.partitions = vec![Partition {
        number: 1,
        node: format!("/dev/{name}1").into(),
        size_bytes: 10 << 30,
        filesystem: Some("ext4".into()),
        label: Some("photos".into()),
        ..Partition::default()
    }];
    disk.content.signatures = vec![Signature { kind: "gpt".into(), label: None, offset: 512 }];
    disk.content.edges_zero = false;
    disk.content.head_zero = false;
    disk.content.table_id = Some("another".into());
    disk
}

/// With an install of ours that was cut off.
fn unfinished(name: &str) -> Disk {
    let mut disk = with_layout(name);
    disk.content.marker = Some(Marker {
        version: crate::disk::marker::VERSION,
        attempt: "1".into(),
        build_id: "b".into(),
        table_id: Some("ours".into()),
    });
    disk
}

/// With an install of ours that ended.
fn installed(name: &str) -> Disk {
    let mut disk = with_layout(name);
    disk.content.receipt =
        Some(Receipt { hostname: "old".into(), loader: Loader::InPlace, ..Receipt::default() });
    disk
}

/// With our layout, and nothing that says how it got there.
fn with_layout(name: &str) -> Disk {
    let mut disk = data(name);
    disk.content.table_id = Some("ours".into());
    disk.device.partitions =
        [(&crate::disk::layout::ESP, "vfat"), (&crate::disk::layout::ROOT, "ext4")]
            .into_iter()
            .map(|(partition, filesystem)| Partition {
                number: partition.number,
                node: format!("/dev/{name}{}", partition.number).into(),
                size_bytes: 1 << 30,
                name: Some(partition.name.into()),
                filesystem: Some(filesystem.into()),
                label: Some(partition.label.into()),
                ..Partition::default()
            })
            .collect();
    disk
}

fn goes(decision: &Decision) -> Option<&Plan> {
    match decision {
        Decision::Go { plan, .. } => Some(plan),
        _ => None,
    }
}

fn asks(decision: &Decision) -> Option<&Plan> {
    match decision {
        Decision::Ask(plan) => Some(plan),
        _ => None,
    }
}
