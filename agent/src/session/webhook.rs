//! How an attempt ended → the answers' webhook, told by HTTPS in the background.
//!
//! The names in what is posted are those of Proxmox's post-installation webhook where that has the same
//! (`proxmox-post-hook` in pve-installer), so that its receivers find them. That it can't be told is a
//! warning, and changes nothing of the install.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use nixvm_answers::server::Server;
use nixvm_manifest::Manifest;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Session;
use crate::checks::facts::{Dmi, Iso};
use crate::checks::https::{self, Limits, Request, Trust, Wanted};
use crate::checks::token;
use crate::command::Runner;
use crate::event::publisher::Publisher;
use crate::event::{Delivery, Event, Outcome, Webhook};
use crate::plan::{Plan, Problem, Unfetched};

/// The credential with the token that the webhook is shown.
const TOKEN: &str = "nixvm.webhook.token";

/// How often it is tried.
const TRIES: u32 = 3;

/// How long it may take.
struct Patience {
    /// For all tries together: the restart after an unattended install waits for it.
    total: Duration,
    /// Before it is tried again.
    pause: Duration,
    /// For each try.
    limits: Limits,
}

const PATIENCE: Patience = Patience {
    total: Duration::from_secs(30),
    pause: Duration::from_secs(3),
    // The network had all of the install to come up.
    limits: Limits {
        settling: Duration::from_secs(1),
        connect: Duration::from_secs(5),
        exchange: Duration::from_secs(10),
    },
};

/// What is known of an attempt before it begins, and how it ended.
pub(super) struct News {
    server: Server,
    attempt: String,
    hostname: String,
    disk: Disk,
    /// The public half of the host key, a line.
    pub(super) host_key: Option<String>,
}

/// What is posted.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report<'a> {
    outcome: Outcome,
    error: Option<&'a Problem>,
    attempt: &'a str,
    duration_seconds: Option<f64>,
    iso: Iso,
    dmi: Dmi,
    fqdn: &'a str,
    disks: [&'a Disk; 1],
    network_interfaces: Vec<Interface>,
    /// By the kind of key.
    ssh_public_host_keys: BTreeMap<&'static str, &'a str>,
}

/// The disk that was installed to.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Disk {
    path: String,
    /// Bytes.
    size: u64,
    serial: Option<String>,
    is_bootdisk: bool,
}

/// An adapter with its addresses in the live system, each with the length of its prefix.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Interface {
    name: String,
    mac: String,
    /// The first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    addresses: Vec<String>,
}

impl News {
    /// What to tell `server` of the attempt to carry `plan` out.
    pub(super) fn of(server: Server, attempt: &str, plan: &Plan) -> Self {
        let disk = &plan.target.identity;
        Self {
            server,
            attempt: attempt.to_owned(),
            hostname: plan.configuration.hostname.clone(),
            disk: Disk {
                path: disk.node.display().to_string(),
                size: disk.size_bytes,
                serial: disk.serial.clone(),
                is_bootdisk: true,
            },
            host_key: None,
        }
    }

    async fn body(&self, manifest: &Manifest, verdict: &Event) -> String {
        let Event::AttemptEnded { outcome, error, duration_seconds, .. } = verdict else {
            return String::new();
        };
        let report = Report {
            outcome: *outcome,
            error: error.as_ref(),
            attempt: &self.attempt,
            duration_seconds: *duration_seconds,
            iso: Iso::of(manifest),
            dmi: Dmi::read(Path::new("/")),
            fqdn: &self.hostname,
            disks: [&self.disk],
            network_interfaces: interfaces().await,
            ssh_public_host_keys: self.host_key.iter().map(|key| ("ed25519", &**key)).collect(),
        };
        // Plain data: it can always be written as JSON.
        serde_json::to_string(&report).unwrap_or_default()
    }
}

impl Session {
    /// Begins to tell the webhook of the end that was published last, if there is a webhook.
    pub(super) fn tell(&mut self, news: Option<News>) {
        let status = self.context.publisher.status();
        let verdict = status.borrow().attempt_ended();
        let (Some(news), Some(verdict)) = (news, verdict) else { return };
        let (publisher, manifest) = (self.context.publisher.clone(), self.context.manifest.clone());
        let url = news.server.to_string();
        let say = |publisher: &Publisher, url: &str, delivery| {
            publisher.publish(Event::Webhook(Webhook { url: url.to_owned(), delivery }));
        };
        say(&publisher, &url, Delivery::Sending);
        self.webhook = Some(tokio::spawn(async move {
            let body = news.body(&manifest, &verdict).await;
            match deliver(Path::new("/"), &news.server, &body, &PATIENCE).await {
                Ok(()) => say(&publisher, &url, Delivery::Delivered),
                Err(error) => {
                    let message = format!("{url} was not told how the install ended: {error}.");
                    publisher.publish(Event::Warning { message });
                    say(&publisher, &url, Delivery::Failed);
                }
            }
        }));
    }
}

/// Posts `body` until the server takes it, a few times.
async fn deliver(
    root: &Path,
    server: &Server,
    body: &str,
    patience: &Patience,
) -> Result<(), Unfetched> {
    // A server without a URL is refused when the answers are read.
    let Some(url) = &server.url else {
        return Err(Unfetched::Response { error: "there is no URL".to_owned() });
    };
    let token = token::read(root, TOKEN)?;
    let trust = match server.fingerprint {
        Some(fingerprint) => Trust::Certificate(fingerprint),
        None => Trust::system()?,
    };
    let mut last = None;
    let tries = async {
        for number in 1..=TRIES {
            let (trust, token, body) = (trust.clone(), token.as_ref(), body.to_owned());
            let request = Request { url, trust, token, body, wanted: Wanted::Success };
            let Err(error) = https::post(request, &patience.limits, &|_| ()).await else {
                return true;
            };
            tracing::info!("{url}, try {number} of {TRIES}: {error}");
            last = Some(error);
            if number < TRIES {
                sleep(patience.pause).await;
            }
        }
        false
    };
    let seconds = patience.total.as_secs();
    match timeout(patience.total, tries).await {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(last.unwrap_or(Unfetched::Timeout { seconds })),
    }
}

/// What `ip -json address` prints of an adapter.
#[derive(Deserialize)]
struct Listed {
    ifname: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    local: String,
    prefixlen: u8,
    scope: String,
}

/// The adapters of this machine; none if they can't be listed.
async fn interfaces() -> Vec<Interface> {
    let runner = Runner::new(CancellationToken::new(), None);
    match runner.tool("ip").args(["-json", "address"]).run().await {
        Ok(listed) => parse(&listed.stdout),
        Err(error) => {
            tracing::warn!("the webhook gets no addresses: {error:#}");
            Vec::new()
        }
    }
}

fn parse(listed: &str) -> Vec<Interface> {
    let listed: Vec<Listed> = serde_json::from_str(listed).unwrap_or_default();
    let adapters = listed.into_iter().filter(|adapter| adapter.ifname != "lo");
    let adapters = adapters.map(|Listed { ifname: name, address: mac, addr_info }| {
        let global = addr_info.iter().filter(|address| address.scope == "global");
        let addresses: Vec<_> =
            global.map(|address| format!("{}/{}", address.local, address.prefixlen)).collect();
        Interface { name, mac, address: addresses.first().cloned(), addresses }
    });
    adapters.collect()
}

#[cfg(test)]
mod tests;
