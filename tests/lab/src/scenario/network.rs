//! Addresses in the answers → the live system's network, and the installed one's.
//!
//! The stand-ins have Debian's NetworkManager, which nothing starts: the other scenarios need no
//! network, and starting it would cost each of them time. The agent starts it in the live system; here,
//! the scenario does in the installed one. On NixOS, both start it by themselves.

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::steps::{await_countdown, await_installed_and_off, boots_as};
use crate::fixture::Fixture;
use crate::guest_checks::Expected;
use crate::vm::Vm;
use crate::words::event;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario::new("static-address")
    .fault(
        "answers with an address, a gateway and a name server for an adapter, by its MAC address",
    )
    .expected("the live system has them, and the installed one once its NetworkManager runs")
    .run(static_address)];

/// That of QEMU's first adapter.
const MAC: &str = "52:54:00:12:34:56";

fn static_address(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers(&format!(
        "countdown = 20\nfinish = 'poweroff'\n[[network.interface]]\nmac = '{MAC}'\n\
         address = '10.0.2.77/24'\ngateway = '10.0.2.2'\ndns = '10.0.2.3'\nsearch = 'example.org'\n"
    ))?);
    let mut vm = fixture.start(&config, "install")?;
    let event = vm.event("the plan", 180, |event| event["event"] == event::PLAN)?;
    let network = &event["plan"]["network"];
    ensure!(network["interfaces"][0]["address"][0] == "10.0.2.77/24", "planned is {network}");
    let warnings = event["plan"]["warnings"].to_string();
    ensure!(warnings == "[]", "there are warnings: {warnings}");
    await_countdown(&mut vm)?;
    has_address(&mut vm).context("in the live system")?;
    await_installed_and_off(&mut vm)?;

    let mut vm = boots_as(fixture, &config, &Expected::default())?;
    let files = vm.shell.run(
        "cd /etc/NetworkManager && stat -c '%a %U' system-connections && \
         stat -c '%n %a %U' system-connections/*",
    )?;
    let wanted = format!("700 root\nsystem-connections/nixvm-{MAC}.nmconnection 600 root");
    ensure!(files == wanted, "NetworkManager's files are {files:?}");
    vm.shell.run("systemctl start NetworkManager && nm-online --quiet --timeout 60")?;
    has_address(&mut vm).context("in the installed system")?;
    vm.kill()
}

/// Checks that the machine has the address of the answers, and no other of DHCP's.
fn has_address(vm: &mut Vm) -> Result<()> {
    let addresses = vm.shell.run("ip -4 -o address show scope global | awk '{print $4}'")?;
    ensure!(addresses == "10.0.2.77/24", "its addresses are {addresses:?}");
    let route = vm.shell.run("ip -4 route show default")?;
    ensure!(route.starts_with("default via 10.0.2.2 "), "its way out is {route:?}");
    let resolver = vm.shell.run("grep -v '^#' /etc/resolv.conf")?;
    for line in ["search example.org", "nameserver 10.0.2.3"] {
        ensure!(resolver.lines().any(|found| found == line), "{line:?} is not in {resolver:?}");
    }
    Ok(())
}
