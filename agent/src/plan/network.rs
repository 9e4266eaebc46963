//! The answers about the network → what has to be found out, what is refused, and what is planned.

use nixvm_answers::Resolved;
use nixvm_answers::answers::Network;

use schemars::JsonSchema;

use super::{Check, Checked, Facts, PlannedNetwork, Refusal};

/// An adapter and what it is given. Where `name` and `mac` are left out, the only one is meant.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the schema of an Interface for readers, which ignore further keys")]
pub(super) struct PlannedInterface {
    /// The adapter's name.
    name: Option<String>,
    /// Its MAC address.
    mac: Option<String>,
    /// Addresses with the length of their prefix; a family without one stays automatic.
    #[schemars(default)]
    address: Vec<String>,
    /// The gateways of IPv4 and IPv6.
    #[schemars(default)]
    gateway: Vec<String>,
    /// Name servers.
    #[schemars(default)]
    dns: Vec<String>,
    /// Search domains.
    #[schemars(default)]
    search: Vec<String>,
}

/// How the install uses the network.
pub(super) fn planned(answers: &Resolved) -> PlannedNetwork {
    let settings = &answers.network.value;
    PlannedNetwork { policy: settings.policy(), interfaces: settings.interfaces.clone() }
}

/// The interfaces to set up in the live system, unless they are set up already. An install that must
/// not use the network leaves it as it is.
pub(super) fn to_set_up(network: &PlannedNetwork, checked: &Checked) -> Option<Check> {
    let wanted: &[_] = match network.policy {
        Network::None => &[],
        Network::Auto | Network::Required => &network.interfaces,
    };
    let done = checked.interfaces.as_ref().map_or(&[][..], |(done, _)| done.as_slice());
    (wanted != done || checked.interfaces_changing).then(|| Check::Interfaces(wanted.to_vec()))
}

/// What else has to be found out.
///
/// # Errors
/// The answers ask for what this machine or the carried system does not have.
pub(super) fn check(
    network: &PlannedNetwork,
    answers: &Resolved,
    facts: &Facts<'_>,
) -> Result<Option<Check>, Refusal> {
    if !network.interfaces.is_empty() && !facts.manifest.network_manager {
        return Err(Refusal::NoNetworkManager);
    }
    if let Some(refusal) = unknown(facts.checked) {
        return Err(refusal);
    }
    let proxy = answers.proxy.as_ref().map(|proxy| &proxy.value);
    match (network.policy, facts.checked.network_by(proxy)) {
        (Network::Required, None) => Ok(Some(Check::Network(proxy.cloned()))),
        (Network::Required, Some(Err(unreachable))) => {
            Err(Refusal::NoNetwork { unreachable: unreachable.clone() })
        }
        (Network::Required, Some(Ok(()))) | (Network::Auto | Network::None, _) => Ok(None),
    }
}

/// The refusal of an interface that this machine does not have.
pub(super) fn unknown(checked: &Checked) -> Option<Refusal> {
    match &checked.interfaces {
        Some((_, Err(unknown))) => Some(Refusal::NoSuchInterface { unknown: unknown.clone() }),
        _ => None,
    }
}

/// What did not come up of the interfaces, and stops nothing.
pub(super) fn warnings(checked: &Checked) -> Vec<String> {
    match &checked.interfaces {
        Some((_, Ok(applied))) => applied.warnings.clone(),
        _ => Vec::new(),
    }
}
