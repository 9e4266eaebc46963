//! Plans for unit tests.

use nixvm_answers::answers::{Finish, Network};

use super::{ChosenBy, Configuration, Plan, PlannedNetwork, System, Target};
use crate::disk::Condition;
use crate::disk::identity::Identity;

/// A plan for the blank disk of this name.
pub(crate) fn plan(name: &str) -> Plan {
    let disk = crate::disk::examples::disk(name);
    Plan {
        target: Target {
            name: name.to_owned(),
            identity: Identity::of(&disk),
            summary: disk.summary(),
            condition: Condition::Blank,
            erases: Vec::new(),
            evidence: disk.evidence(),
            chosen_by: ChosenBy::OnlyOne,
        },
        system: System::Copy { toplevel: "/nix/store/x-system".to_owned() },
        configuration: Configuration {
            hostname: "nixvm".to_owned(),
            username: "ht".to_owned(),
            full_name: String::new(),
            keymap: None,
            locale: None,
            timezone: None,
            proxy: None,
            disk_device: format!("/dev/{name}").into(),
        },
        passphrase: None,
        countdown: 10,
        finish: Finish::Reboot,
        network: PlannedNetwork { policy: Network::Auto, interfaces: Vec::new() },
        answers: Vec::new(),
        warnings: Vec::new(),
    }
}
