//! An install with a webhook on the host → the reports that the webhook received.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Scenario;
use super::server::{Server, start};
use super::steps::{await_installed, await_installed_and_off, boots_as};
use crate::build::Arch;
use crate::fixture::Fixture;
use crate::guest_checks::Expected;
use crate::vm::Vm;
use crate::words::event;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("webhook")
        .fault("a webhook with a self-signed certificate, which refuses the first request")
        .expected(
            "told of the install in the second, before the machine is switched off, with the host key \
             by which the installed sshd is known",
        )
        .only_on(Arch::X86_64)
        .run(webhook),
    Scenario::new("webhook-refused")
        .fault("a webhook that answers every request with 500")
        .expected("asked three times; the install has succeeded, with a warning")
        .only_on(Arch::X86_64)
        .run(webhook_refused),
];

/// Writes down what it receives, and answers with the statuses in a file, the last of them again and
/// again.
const PROGRAM: &str = r#"
import http.server, ssl

STATUSES = [int(status) for status in open("statuses").read().split()]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open("told", "ab") as told:
            told.write(body + b"\n")
        self.send_response(STATUSES.pop(0) if len(STATUSES) > 1 else STATUSES[0])
        self.send_header("Content-Length", "0")
        self.end_headers()

server = http.server.ThreadingHTTPServer(("", 8443), Handler)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain("server.crt", "server.key")
server.socket = tls.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

/// The webhook, which answers with these statuses, and kernel parameters for it.
fn receiver(fixture: &Fixture<'_>, statuses: &str) -> Result<(Server, String)> {
    fs::write(fixture.folder.join("statuses"), statuses)?;
    let server = Server::start(fixture, PROGRAM)?;
    let (port, fingerprint) = (server.port, &server.fingerprint);
    let parameters = format!(
        "nixvm.webhook.url=https://10.0.2.2:{port}/hook nixvm.webhook.fingerprint={fingerprint}"
    );
    Ok((server, parameters))
}

/// What it was told, one request after the other.
fn told(fixture: &Fixture<'_>) -> Result<Vec<Value>> {
    let text = fs::read_to_string(fixture.folder.join("told")).context("it was told nothing")?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn delivery(vm: &mut Vm, wanted: &str) -> Result<()> {
    vm.event(&format!("the webhook, {wanted}"), 90, |event| {
        event["event"] == event::WEBHOOK && event["delivery"] == wanted
    })?;
    Ok(())
}

fn webhook(fixture: &Fixture<'_>) -> Result<()> {
    let (_server, parameters) = receiver(fixture, "500 204")?;
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("countdown = 3\nfinish = 'poweroff'")?);
    let mut vm = start(fixture, &mut config, &parameters)?;
    await_installed(&mut vm)?;
    delivery(&mut vm, "sending")?;
    delivery(&mut vm, "delivered")?;
    vm.wait_off(60)?;
    let told = told(fixture)?;
    ensure!(told.len() == 2 && told[0] == told[1], "it was told {told:?}");
    let report = &told[1];
    ensure!(report["outcome"] == "installed" && report["fqdn"] == "nixvm", "it was told {report}");
    let adapter = &report["network-interfaces"][0];
    ensure!(adapter["address"] == "10.0.2.15/24", "it was told {report}");
    ensure!(adapter["mac"] == "52:54:00:12:34:56", "it was told {report}");
    let key = report["ssh-public-host-keys"]["ed25519"].as_str().context("no host key")?;

    config.kernel = None;
    let mut vm = boots_as(fixture, &config, &Expected::default())?;
    vm.shell.run("systemctl start sshd")?;
    let scanned = vm.shell.run(
        "until ssh-keyscan -t ed25519 127.0.0.1 2> /dev/null | grep -o 'ssh-ed25519.*'; do \
         sleep 0.2; done",
    )?;
    ensure!(key.starts_with(&scanned), "sshd shows {scanned:?}, and the webhook was told {key:?}");
    vm.kill()
}

fn webhook_refused(fixture: &Fixture<'_>) -> Result<()> {
    let (_server, parameters) = receiver(fixture, "500")?;
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("countdown = 3\nfinish = 'poweroff'")?);
    let mut vm = start(fixture, &mut config, &parameters)?;
    await_installed_and_off(&mut vm)?;
    let events = vm.events.text();
    ensure!(events.contains("was not told how the install ended"), "there is no warning");
    ensure!(events.contains("the server answers 500 Internal Server Error"), "no reason is given");
    let told = told(fixture)?;
    ensure!(told.len() == 3, "it was asked {} times", told.len());
    Ok(())
}
