//! The rules of safety, on worlds that are made up.

mod arrivals;
mod consent_table;
mod histories;
mod no_cloud;
mod properties;
mod refusals;
mod sources;
mod traps;
mod unsettled;

use nixvm_answers::{Problems, Resolved, Source, SourceAnswers, document, resolve};
use nixvm_manifest::Manifest;

use super::{Decision, Facts, PassphraseOrigin, Plan, UserChoices, decide};
use crate::disk::receipt::{Loader, Receipt};
use crate::disk::{Disk, Partition, Signature};
use crate::machine::{Firmware, Hypervisor, Machine};
use crate::plan::{Applied, Buildable, Check, Checked};

/// Everything that a decision depends on, owned.
#[derive(Clone, Debug)]
struct World {
    manifest: Manifest,
    machine: Machine,
    answers: Result<Resolved, Problems>,
    disks: Vec<Disk>,
    quiet: bool,
    choices: UserChoices,
    checked: Checked,
    passphrase: Option<Result<PassphraseOrigin, &'static str>>,
}

impl World {
    /// A VM of 2 GB with these disks, none of which came just now, and nothing answered.
    fn new(disks: impl IntoIterator<Item = Disk>) -> Self {
        let manifest =
            nixvm_manifest::parse(include_str!("../../../manifest/fixtures/manifest.json"))
                .unwrap();
        let machine = Machine {
            hypervisor: Hypervisor::Qemu,
            firmware: Firmware::Uefi,
            architecture: "x86_64".into(),
            memory_bytes: 2 << 30,
            image_in_memory_bytes: 0,
            root: true,
        };
        Self {
            answers: resolved(&manifest, ""),
            manifest,
            machine,
            disks: disks.into_iter().collect(),
            quiet: true,
            choices: UserChoices::default(),
            checked: Checked::default(),
            passphrase: None,
        }
    }

    fn answering(mut self, toml: &str) -> Self {
        self.answers = resolved(&self.manifest, toml);
        self
    }

    /// What each of these sources says, together.
    fn answering_from(mut self, sources: &[(Source, &str)]) -> Self {
        let given = sources.iter().map(|(source, toml)| given(source, toml));
        self.answers = resolve(given, self.manifest.answer_defaults().unwrap());
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
            quiet: self.quiet,
            choices: &self.choices,
            checked: &self.checked,
            passphrase: self.passphrase,
        })
    }

    /// Decides, and finds out well whatever has to be found out for that.
    fn decide_checked(&mut self) -> Decision {
        loop {
            let found = match self.decide() {
                Decision::Check(Check::Interfaces(wanted)) => {
                    let interfaces = Some((wanted, Ok(Applied::default())));
                    Checked { interfaces, ..Checked::default() }
                }
                Decision::Check(Check::Network(proxy)) => {
                    Checked { network: Some((proxy, Ok(()))), ..Checked::default() }
                }
                Decision::Check(Check::Build(wanted)) => {
                    Checked { build: Some((wanted, Ok(buildable()))), ..Checked::default() }
                }
                decision => return decision,
            };
            self.checked.add(found);
        }
    }
}

/// What the kernel's command line and the manifest say together.
fn resolved(manifest: &Manifest, toml: &str) -> Result<Resolved, Problems> {
    resolve([given(&Source::CommandLine, toml)], manifest.answer_defaults().unwrap())
}

fn given(source: &Source, toml: &str) -> Result<SourceAnswers, Problems> {
    document::parse(toml.as_bytes(), source.clone())
}

fn volume() -> Source {
    Source::Volume { device: "/dev/sdb1".into() }
}

fn server() -> Source {
    Source::Url { url: "https://a.example/nixvm".into() }
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
    crate::disk::examples::unfinished(name)
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
    crate::disk::examples::with_layout(name)
}

fn waits(decision: &Decision) -> Option<&str> {
    match decision {
        Decision::Wait { message } => Some(message),
        _ => None,
    }
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
