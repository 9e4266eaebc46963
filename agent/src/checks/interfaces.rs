//! [`Interface`]s → the live system's network, by NetworkManager.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Error, Result};
use nixvm_answers::interface::Interface;
use tokio::time::{Instant, interval};

use crate::command::Runner;
use crate::network::adapter::{self, Adapter};
use crate::network::keyfile::{PREFIX, SUFFIX, id, write_all};
use crate::plan::{Applied, UnknownInterface};

/// Connections that are gone after a restart, as NetworkManager's own tools make them.
const FOLDER: &str = "/run/NetworkManager/system-connections";

/// How long an adapter's driver may take after the machine has started.
const DRIVER: Duration = Duration::from_secs(15);

/// Seconds that a connection may take to come up.
const UP: &str = "30";

/// Makes these interfaces, and no others of earlier answers, the live system's. What does not
/// come up is a warning: the installed system has them all the same, and an install need not use
/// the network.
pub(super) async fn apply(
    runner: &Runner,
    interfaces: &[Interface],
) -> Result<Applied, UnknownInterface> {
    let mut warnings = Vec::new();
    for error in forget(runner, Path::new(FOLDER)).await {
        warnings.push(format!("Earlier network settings may still be in force: {error:#}"));
    }
    await_adapters(Path::new("/"), interfaces).await?;
    match activate(runner, interfaces).await {
        Ok(more) => warnings.extend(more),
        Err(error) => {
            warnings.push(format!("The installer does not have its network settings: {error:#}"));
        }
    }
    Ok(Applied { warnings })
}

/// Waits until each interface has its adapter.
async fn await_adapters(root: &Path, interfaces: &[Interface]) -> Result<(), UnknownInterface> {
    let started = Instant::now();
    let mut tick = interval(Duration::from_millis(500));
    loop {
        tick.tick().await;
        let adapters = adapter::wired(root);
        let Some(interface) = adapter::unmatched(interfaces, &adapters) else { return Ok(()) };
        if started.elapsed() > DRIVER {
            let adapters = adapters.iter().map(Adapter::to_string).collect();
            return Err(UnknownInterface { wanted: interface.adapter(), adapters });
        }
    }
}

/// Removes the connections of earlier answers. Returns why one or another of them is still there.
async fn forget(runner: &Runner, folder: &Path) -> Vec<Error> {
    let mut errors = Vec::new();
    for file in own_files(folder) {
        let Some(id) = file.file_stem() else { continue };
        let delete = runner.tool("nmcli").args(["connection", "delete", "id"]).arg(id).run();
        errors.extend(delete.await.err());
    }
    errors
}

/// The agent's own files in `folder`.
fn own_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_own = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.starts_with(PREFIX) && name.ends_with(SUFFIX)
    };
    entries.map(|entry| entry.path()).filter(is_own).collect()
}

/// Returns what does not come up, a sentence each.
async fn activate(runner: &Runner, interfaces: &[Interface]) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    if interfaces.is_empty() {
        return Ok(warnings);
    }
    // It may still be on its way: this waits for it, and it begins with these.
    let files = write_all(Path::new(FOLDER), interfaces)?;
    let start = runner.tool("systemctl").args(["start", "NetworkManager.service"]).run();
    start.await.context("NetworkManager does not run in this live system")?;
    for (interface, file) in interfaces.iter().zip(files) {
        let nmcli = || runner.tool("nmcli").args(["--wait", UP, "connection"]);
        nmcli().arg("load").arg(&file).run().await?;
        if let Err(error) = nmcli().args(["up", "id"]).arg(id(interface)).run().await {
            let adapter = interface.adapter();
            warnings.push(format!("In the installer, {adapter} does not come up: {error:#}"));
        }
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::examples::root;

    #[tokio::test(start_paused = true)]
    async fn an_adapter_that_does_not_come_is_named_with_those_that_are_there() {
        let root = root(&[
            ("sys/class/net/eth0/device/vendor", "0x1af4\n"),
            ("sys/class/net/eth0/type", "1\n"),
            ("sys/class/net/eth0/address", "52:54:00:12:34:56\n"),
        ]);
        let wait = async |text: &str| {
            let interfaces = [text.parse().unwrap()];
            await_adapters(root.path(), &interfaces).await
        };
        assert_eq!(wait("name=eth0,dns=1.1.1.1").await, Ok(()));
        let started = Instant::now();
        let unknown = wait("name=eth1,dns=1.1.1.1").await.unwrap_err();
        assert!(started.elapsed() >= DRIVER);
        assert_eq!(unknown.wanted, "the adapter eth1");
        assert_eq!(unknown.adapters, ["eth0 (52:54:00:12:34:56)"]);
    }

    /// Neither without nmcli nor without such connections can one be deleted.
    #[tokio::test]
    async fn each_connection_that_is_still_there_is_reported() {
        let files = ["nixvm-none-a", "nixvm-none-b"].map(|id| format!("{id}{SUFFIX}"));
        let folder = root(&files.each_ref().map(|file| (file.as_str(), "")));
        let errors = forget(&Runner::default(), folder.path()).await;
        assert_eq!(errors.len(), files.len(), "{errors:?}");
    }

    #[test]
    fn only_the_agents_own_connections_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["nixvm-eth0.nmconnection", "Wired 1.nmconnection", "nixvm.nmmeta"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let own = own_files(folder.path());
        assert_eq!(own, [folder.path().join("nixvm-eth0.nmconnection")]);
        assert!(own_files(Path::new("/no/such/folder")).is_empty());
    }
}
