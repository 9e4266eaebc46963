//! [`Interface`] → a keyfile of NetworkManager.
//!
//! The format is that of nm-settings-keyfile(5).

use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nixvm_answers::interface::Interface;

use crate::command::private_file;

/// What the connections' names begin with, by which the agent knows its own.
pub(crate) const PREFIX: &str = "nixvm";

/// How the files' names end.
pub(crate) const SUFFIX: &str = ".nmconnection";

/// The connection's name, which is that of its file as well.
pub(crate) fn id(interface: &Interface) -> String {
    let of = |adapter: &dyn std::fmt::Display| format!("{PREFIX}-{adapter}");
    match (&interface.name, &interface.mac) {
        (Some(name), _) => of(name),
        (None, Some(mac)) => of(mac),
        (None, None) => PREFIX.to_owned(),
    }
}

/// Writes a file for each interface into `folder`, which is made. Only root can read them, or
/// NetworkManager would pass them over. Returns their paths.
///
/// # Errors
/// A file or the folder can't be written.
pub(crate) fn write_all(folder: &Path, interfaces: &[Interface]) -> Result<Vec<PathBuf>> {
    if interfaces.is_empty() {
        return Ok(Vec::new());
    }
    let about = || format!("cannot make {}", folder.display());
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).with_context(about)?;
    }
    // As NixOS's tmpfiles rule has it.
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(about)?;
    let write = |interface: &Interface| {
        let path = folder.join(id(interface) + SUFFIX);
        private_file::write(&path, text(interface).as_bytes())?;
        Ok(path)
    };
    interfaces.iter().map(write).collect()
}

/// The text of the file. Nothing in an [`Interface`] has to be escaped.
fn text(interface: &Interface) -> String {
    let mut text = format!("[connection]\nid={}\ntype=ethernet\n", id(interface));
    let mut line = |line: &str| {
        let _infallible = writeln!(text, "{line}");
    };
    if let Some(name) = &interface.name {
        line(&format!("interface-name={name}"));
    }
    if let Some(mac) = &interface.mac {
        line(&format!("\n[ethernet]\nmac-address={mac}"));
    }
    for (section, is_family) in FAMILIES {
        line(&format!("\n[{section}]"));
        let own = interface.address.iter().filter(|own| is_family(&own.addr()));
        let own: Vec<_> = own.map(|own| own.to_string()).collect();
        line(if own.is_empty() { "method=auto" } else { "method=manual" });
        for (number, own) in own.iter().enumerate() {
            line(&format!("address{}={own}", number + 1));
        }
        for gateway in interface.gateway.iter().filter(|gateway| is_family(gateway)) {
            line(&format!("gateway={gateway}"));
        }
        let dns = interface.dns.iter().filter(|dns| is_family(dns)).map(IpAddr::to_string);
        // Either family may be the one that comes up.
        let search = interface.search.iter().map(ToString::to_string);
        for (key, values) in [("dns", dns.collect()), ("dns-search", search.collect::<Vec<_>>())] {
            if !values.is_empty() {
                line(&format!("{key}={};", values.join(";")));
            }
        }
    }
    text
}

type IsFamily = fn(&IpAddr) -> bool;

const FAMILIES: [(&str, IsFamily); 2] = [("ipv4", IpAddr::is_ipv4), ("ipv6", IpAddr::is_ipv6)];

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};

    use super::*;

    const BOTH: &str = "name=eth0,mac=52:54:00:12:34:56,address=10.0.2.77/24,address=10.0.3.77/16,\
        address=fd00::77/64,gateway=10.0.2.2,gateway=fe80::1,dns=10.0.2.3,dns=1.1.1.1,dns=fd00::3,\
        search=example.org,search=lan";

    fn interface(text: &str) -> Interface {
        text.parse().unwrap()
    }

    #[test]
    fn a_keyfile_is_written_for_root_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/NetworkManager/system-connections");
        assert!(write_all(&folder, &[]).unwrap().is_empty() && !folder.exists());
        let interfaces = ["name=eth0,dns=10.0.2.3", "mac=52:54:00:12:34:56,dns=10.0.2.3"];
        let paths = write_all(&folder, &interfaces.map(interface)).unwrap();
        let names: Vec<_> = paths.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, ["nixvm-eth0.nmconnection", "nixvm-52:54:00:12:34:56.nmconnection"]);
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&folder), mode(&paths[0])), (0o700, 0o600));
        assert_eq!(mode(folder.parent().unwrap()) & 0o055, 0o055);

        std::fs::set_permissions(&paths[0], std::fs::Permissions::from_mode(0o644)).unwrap();
        write_all(&folder, &interfaces.map(interface)).unwrap();
        assert_eq!(mode(&paths[0]), 0o600);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    }

    #[test]
    fn a_family_without_an_address_stays_automatic() {
        let text = text(&interface("address=10.0.2.77/24,gateway=10.0.2.2"));
        assert_eq!(
            text,
            "[connection]\nid=nixvm\ntype=ethernet\n\n[ipv4]\nmethod=manual\n\
             address1=10.0.2.77/24\ngateway=10.0.2.2\n\n[ipv6]\nmethod=auto\n"
        );
    }

    /// What NetworkManager has understood, as it would write it itself. nmcli is the real reader of
    /// such files; with `--offline` it asks no service.
    fn understood(text: &str) -> Option<String> {
        let mut nmcli = Command::new("nmcli");
        nmcli.args(["--offline", "connection", "modify"]);
        let child = nmcli.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let Ok(mut child) = child.spawn() else {
            let why = "\nSKIPPED keyfiles against NetworkManager: there is no nmcli\n";
            let _closed = std::io::stderr().write_all(why.as_bytes());
            return None;
        };
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}\n{text}");
        Some(String::from_utf8(output.stdout).unwrap())
    }

    /// The lines of a section.
    fn section<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
        let lines = text.lines().skip_while(|line| *line != format!("[{name}]")).skip(1);
        lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.is_empty()).collect()
    }

    #[test]
    fn network_manager_understands_every_line() {
        let Some(found) = understood(&text(&interface(BOTH))) else { return };
        let has = |name: &str, wanted: &[&str]| {
            let found = section(&found, name);
            for line in wanted {
                assert!(found.contains(line), "{line} is not in {found:?}");
            }
        };
        has("connection", &["id=nixvm-eth0", "type=ethernet", "interface-name=eth0"]);
        has("ethernet", &["mac-address=52:54:00:12:34:56"]);
        let ipv4 = [
            "method=manual",
            "address2=10.0.3.77/16",
            "dns=10.0.2.3;1.1.1.1;",
            "dns-search=example.org;lan;",
        ];
        has("ipv4", &ipv4);
        has("ipv6", &["method=manual", "dns=fd00::3;", "dns-search=example.org;lan;"]);
        for (name, address, gateway) in
            [("ipv4", "10.0.2.77/24", "10.0.2.2"), ("ipv6", "fd00::77/64", "fe80::1")]
        {
            // Up to version 1.42 at least, the gateway stands beside the first address.
            let together = format!("address1={address},{gateway}");
            let apart = [format!("address1={address}"), format!("gateway={gateway}")];
            let lines = section(&found, name);
            let has = |line: &String| lines.contains(&line.as_str());
            assert!(has(&together) || apart.iter().all(has), "{lines:?}");
        }
    }

    #[test]
    fn network_manager_understands_an_adapter_that_is_left_to_dhcp() {
        let Some(found) = understood(&text(&interface("dns=10.0.2.3"))) else { return };
        let ipv4 = section(&found, "ipv4");
        assert!(ipv4.contains(&"method=auto") && ipv4.contains(&"dns=10.0.2.3;"), "{found}");
        assert!(section(&found, "ipv6").contains(&"method=auto"), "{found}");
        assert!(!found.contains("interface-name") && !found.contains("mac-address"), "{found}");
    }
}
