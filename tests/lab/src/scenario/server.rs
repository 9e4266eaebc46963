//! A server of answers on the host → the plan, and the install, or a refusal.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::Scenario;
use super::steps::{await_installed_and_off, boots_as, bring_up_network};
use crate::build::Arch;
use crate::fixture::{Fixture, digest, unchanged};
use crate::guest_checks::Expected;
use crate::vm::Vm;
use crate::vm::config::Config;
use crate::words::{error, event, outcome};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("answers-by-https")
        .fault("the kernel command line names a server and its certificate; the server is the README's")
        .expected("installed with the host name that the server sends; the plan names the server")
        .only_on(Arch::X86_64)
        .run(answers_by_https),
    Scenario::new("answers-by-https-refused")
        .fault("the same with the fingerprint of another certificate")
        .expected("refused before anything is asked for; the disk is not written to")
        .only_on(Arch::X86_64)
        .daily()
        .run(answers_by_https_refused),
];

/// The documents, with the server that they show.
const README: &str = include_str!("../../../../agent/answers/README.md");

/// The port of that server.
const PORT: &str = "8443";

/// A server on the host.
pub(super) struct Server {
    process: Child,
    pub(super) port: u16,
    pub(super) fingerprint: String,
}

impl Server {
    /// The server in the README.
    fn of_readme(fixture: &Fixture<'_>) -> Result<Self> {
        let program = README
            .split_once("```python\n")
            .and_then(|(_, rest)| rest.split_once("```"))
            .context("the README shows no server")?
            .0;
        Self::start(fixture, program)
    }

    /// Makes a certificate as the README does, and starts a Python program that uses it.
    pub(super) fn start(fixture: &Fixture<'_>, program: &str) -> Result<Self> {
        let folder = &fixture.folder;
        // Whoever takes the port meanwhile makes the server fail, which is seen below.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        ensure!(program.matches(PORT).count() == 1, "the server has another port");
        fs::write(folder.join("server.py"), program.replace(PORT, &port.to_string()))?;
        let openssl = |line: &str| -> Result<String> {
            let output = Command::new("openssl")
                .args(line.split(' '))
                .current_dir(folder)
                .output()
                .context("cannot start openssl")?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "openssl {line} failed: {said}");
            Ok(String::from_utf8(output.stdout)?)
        };
        openssl(
            "req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=answers -keyout server.key -out \
             server.crt",
        )?;
        let said = openssl("x509 -in server.crt -noout -fingerprint -sha256")?;
        let fingerprint = said.trim().rsplit_once('=').context("no fingerprint")?.1.to_owned();
        let log = fs::File::create(folder.join("server.log"))?;
        let process = Command::new("python3")
            .arg("server.py")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start python3")?;
        let mut server = Self { process, port, fingerprint };
        server.await_ready()?;
        Ok(server)
    }

    fn await_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("the server ended with {status}; see server.log");
            }
            ensure!(Instant::now() < deadline, "the server does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Kernel parameters for it, with this fingerprint. The guest sees the host as 10.0.2.2.
    fn parameters(&self, fingerprint: &str) -> String {
        let port = self.port;
        format!(
            "nixvm.answers.url=https://10.0.2.2:{port}/nixvm nixvm.answers.fingerprint={fingerprint}"
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

/// Starts a machine that reaches the host, with these kernel parameters.
pub(super) fn start(fixture: &Fixture<'_>, config: &mut Config, parameters: &str) -> Result<Vm> {
    config.reaches_host = true;
    config.kernel = Some(fixture.lab.kernel(fixture.arch, parameters)?);
    let mut vm = fixture.start(config, "install")?;
    bring_up_network(&mut vm)?;
    Ok(vm)
}

fn answers_by_https(fixture: &Fixture<'_>) -> Result<()> {
    let server = Server::of_readme(fixture)?;
    let mut config = fixture.machine_with_disk()?;
    let parameters = server.parameters(&server.fingerprint);
    let mut vm = start(fixture, &mut config, &parameters)?;
    let event = vm.event("the plan", 180, |event| event["event"] == event::PLAN)?;
    let rows = event["plan"]["answers"].as_array().context("a plan without answers")?;
    let row = |key: &str| rows.iter().find(|row| row["key"] == key);
    let hostname = row("hostname").context("the plan has no host name")?;
    ensure!(hostname["text"] == "web" && hostname["source"]["kind"] == "url", "{hostname}");
    let url = hostname["source"]["url"].as_str().unwrap_or_default();
    ensure!(url == format!("https://10.0.2.2:{}/nixvm", server.port), "{hostname}");
    let named = row("answers").context("the plan does not name the server")?;
    ensure!(named["source"]["kind"] == "command-line", "{named}");
    await_installed_and_off(&mut vm)?;
    config.kernel = None;
    let expected = Expected { hostname: "web".into(), ..<_>::default() };
    boots_as(fixture, &config, &expected)?.kill()
}

fn answers_by_https_refused(fixture: &Fixture<'_>) -> Result<()> {
    let server = Server::of_readme(fixture)?;
    let mut config = fixture.machine_with_disk()?;
    let before = digest(&config.disks[0].image)?;
    let parameters = server.parameters(&"AB".repeat(32));
    let mut vm = start(fixture, &mut config, &parameters)?;
    let verdict = vm.verdict(180)?;
    ensure!(verdict["outcome"] == outcome::REFUSED, "unexpected end: {verdict}");
    ensure!(verdict["error"]["kind"] == error::NO_ANSWERS, "unexpected end: {verdict}");
    let message = verdict["error"]["message"].as_str().context("no message")?;
    let found =
        format!("it shows another certificate, with the fingerprint {}", server.fingerprint);
    ensure!(message.contains(&found), "{found:?} is not in {message:?}");
    let log = fs::read_to_string(fixture.folder.join("server.log"))?;
    ensure!(!log.contains("POST"), "the server was asked: {log}");
    vm.kill()?;
    unchanged(&config.disks[0], &before)
}
