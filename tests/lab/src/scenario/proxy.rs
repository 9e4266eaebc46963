//! A proxy in the answers → what the live system asks it for, and what the installed system has of it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::steps::{await_installed_and_off, boots_as, bring_up_network};
use crate::build::Arch;
use crate::fixture::{Fixture, digest, unchanged};
use crate::guest_checks::Expected;
use crate::words::{error, outcome};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario::new("behind-a-proxy")
    .fault(
        "answers with a proxy and a required network, and the proxy refuses to connect; then the same \
         proxy on a machine that is offline",
    )
    .expected(
        "refused with the proxy's response, which was asked for the binary cache, and nothing is \
         written; offline, the system is built, and its units have the proxy",
    )
    .only_on(Arch::X86_64)
    .run(behind_a_proxy)];

fn behind_a_proxy(fixture: &Fixture<'_>) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
    // The guest sees the host as 10.0.2.2.
    let proxy = format!("http://10.0.2.2:{}", listener.local_addr()?.port());
    let asked = thread::spawn(move || refuse_one(&listener));
    let mut config = fixture.machine_with_disk()?;
    let before = digest(&config.disks[0].image)?;
    config.reaches_host = true;
    config.answers = Some(fixture.answers(&format!("network = 'required'\nproxy = '{proxy}'\n"))?);
    let mut vm = fixture.start(&config, "refused")?;
    bring_up_network(&mut vm)?;
    let verdict = vm.verdict(180)?;
    ensure!(verdict["outcome"] == outcome::REFUSED, "unexpected end: {verdict}");
    ensure!(verdict["error"]["kind"] == error::NO_NETWORK, "unexpected end: {verdict}");
    let message = verdict["error"]["message"].as_str().context("no message")?;
    let said = format!(
        "the proxy {proxy} does not connect to cache.nixos.org: it answers 502 Bad Gateway"
    );
    ensure!(message.contains(&said), "{said:?} is not in {message:?}");
    // The message shows that it has answered, so this does not wait.
    let asked = asked.join().ok().context("the proxy's thread panicked")??;
    ensure!(asked == "CONNECT cache.nixos.org:443 HTTP/1.1", "it was asked {asked:?}");
    vm.kill()?;
    unchanged(&config.disks[0], &before)?;

    config.reaches_host = false;
    config.network = false;
    config.answers = Some(fixture.answers(&format!("countdown = 3\nproxy = '{proxy}'\n"))?);
    let mut vm = fixture.start(&config, "install")?;
    await_installed_and_off(&mut vm)?;
    let mut vm = boots_as(fixture, &config, &Expected::default())?;
    let host = vm.shell.run("cat /etc/nixos/nix/host.nix")?;
    ensure!(host.contains(&format!("proxy = \"{proxy}\";")), "host.nix has no proxy: {host}");
    // The lab's shell is a unit.
    for (variable, wanted) in [
        ("http_proxy", proxy.as_str()),
        ("https_proxy", &proxy),
        ("no_proxy", "127.0.0.1,localhost"),
    ] {
        let found = vm.shell.run(&format!("printenv {variable}"))?;
        ensure!(found == wanted, "{variable} is {found:?} and not {wanted:?}");
    }
    vm.kill()
}

/// Refuses what the first client asks for, and returns its request's first line.
fn refuse_one(listener: &TcpListener) -> Result<String> {
    let (mut client, _) = listener.accept().context("cannot accept")?;
    let mut lines = BufReader::new(client.try_clone()?).lines();
    let first = lines.next().context("the client asks for nothing")??;
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")?;
    Ok(first)
}
