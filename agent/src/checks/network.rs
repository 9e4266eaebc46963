//! Link, lease, DNS and HTTPS, asked for one after the other → whether the network works, or which of
//! them does not. Behind a proxy, DNS is asked for the proxy, and the proxy for the way to HTTPS.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use nixvm_answers::proxy::Proxy;
use tokio::net::lookup_host;
use tokio::time::{Instant, interval, timeout};

use super::https::{LIMITS, Trust};
use super::proxy;
use crate::command::Runner;
use crate::command::nix::nix;
use crate::network::adapter;
use crate::plan::Unreachable;

/// How long an adapter may take to get its address after the machine has started.
const LEASE: Duration = Duration::from_secs(45);

/// How long its driver may take to say that there is a cable.
const LINK: Duration = Duration::from_secs(15);

/// How long one question over the network may take.
const QUESTION: Duration = Duration::from_secs(30);

/// Asked for where Nix has no substituter.
const HOST: &str = "cache.nixos.org";

/// The port of HTTPS.
const HTTPS: u16 = 443;

/// Asks all of them.
pub(super) async fn check(runner: &Runner, proxy: Option<&Proxy>) -> Result<(), Unreachable> {
    local(Path::new("/"), |_| ()).await?;
    let host = substituter(runner).await.unwrap_or_else(|| HOST.to_owned());
    let https = |error: String| Unreachable::Https { host: host.clone(), error };
    match proxy {
        Some(proxy) => proxy::check(proxy, &host, HTTPS, &LIMITS, Trust::system).await?,
        None => drop(resolve(&host, HTTPS).await?),
    }
    let server = format!("https://{host}");
    let ask = nix(runner, true, proxy).args(["store", "info", "--store", &server]).run();
    match timeout(QUESTION, ask).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(https(format!("{error:#}"))),
        Err(_) => Err(https("no answer".to_owned())),
    }
}

/// The addresses of a host, asked for once; of an address, itself.
pub(super) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Unreachable> {
    let error = match timeout(QUESTION, lookup_host((host, port))).await {
        Ok(Ok(found)) => return Ok(found.collect()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer".to_owned(),
    };
    Err(Unreachable::Dns { host: host.to_owned(), error })
}

/// Waits for link and lease; whatever is still missing is handed to `missing_yet`, again and again.
///
/// # Errors
/// It was not there in time.
pub(super) async fn local(
    root: &Path,
    missing_yet: impl Fn(&Unreachable),
) -> Result<(), Unreachable> {
    let started = Instant::now();
    let mut tick = interval(Duration::from_millis(500));
    loop {
        tick.tick().await;
        match address(root) {
            Ok(()) => return Ok(()),
            // A cable that is not there will not come by itself.
            Err(Unreachable::Link) if started.elapsed() > LINK => return Err(Unreachable::Link),
            Err(missing) if started.elapsed() > LEASE => return Err(missing),
            Err(missing) => missing_yet(&missing),
        }
    }
}

/// Whether an adapter has a link, and whether there is a way out.
fn address(root: &Path) -> Result<(), Unreachable> {
    if !adapter::read(root).iter().any(|adapter| adapter.has_link) {
        return Err(Unreachable::Link);
    }
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap_or_default();
    if default_route_4(&read("proc/net/route")) || default_route_6(&read("proc/net/ipv6_route")) {
        return Ok(());
    }
    Err(Unreachable::Lease)
}

/// `/proc/net/route`: interface, destination, gateway, flags…, addresses in hexadecimal.
fn default_route_4(table: &str) -> bool {
    table.lines().skip(1).any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields.get(1) == Some(&"00000000") && fields.get(2).is_some_and(|g| *g != "00000000")
    })
}

/// `/proc/net/ipv6_route`: destination, its prefix's length, source, its length, next hop…, flags,
/// interface.
fn default_route_6(table: &str) -> bool {
    let zero = "0".repeat(32);
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [destination, "00", _, _, gateway, .., interface] = fields[..] else { return false };
        destination == zero && gateway != zero && interface != "lo"
    })
}

/// The host of Nix's first substituter on the network.
async fn substituter(runner: &Runner) -> Option<String> {
    let output = runner.tool("nix").args(["config", "show", "substituters"]);
    let output = output.env("NIX_CONFIG", "extra-experimental-features = nix-command");
    host(&output.run().await.ok()?.stdout)
}

fn host(substituters: &str) -> Option<String> {
    substituters.split_whitespace().find_map(|url| {
        let rest = url.strip_prefix("https://")?;
        let host = rest.split(['/', '?', ':']).next()?;
        (!host.is_empty()).then(|| host.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::examples::root;

    const CARRIER: (&str, &str) = ("sys/class/net/eth0/carrier", "1\n");
    const HEADER: &str = "Iface\tDestination\tGateway \tFlags\n";

    #[test]
    fn link_and_lease_are_told_apart() {
        let address = |files: &[(&str, &str)]| address(root(files).path());
        assert_eq!(address(&[]), Err(Unreachable::Link));
        assert_eq!(address(&[("sys/class/net/lo/carrier", "1\n")]), Err(Unreachable::Link));
        assert_eq!(address(&[("sys/class/net/eth0/carrier", "0\n")]), Err(Unreachable::Link));
        assert_eq!(address(&[CARRIER]), Err(Unreachable::Lease));
        let local = format!("{HEADER}eth0\t0002000A\t00000000\t0001\n");
        assert_eq!(address(&[CARRIER, ("proc/net/route", &local)]), Err(Unreachable::Lease));
        let out = format!("{local}eth0\t00000000\t0202000A\t0003\n");
        assert_eq!(address(&[CARRIER, ("proc/net/route", &out)]), Ok(()));
    }

    #[test]
    fn a_way_out_over_ipv6_counts() {
        let zero = "0".repeat(32);
        let gateway = "fe80000000000000000000000000002";
        let line = |gateway: &str, interface: &str| {
            format!(
                "{zero} 00 {zero} 00 0{gateway} 00000400 00000001 00000000 00000003 {interface}\n"
            )
        };
        assert!(default_route_6(&line(gateway, "eth0")));
        assert!(!default_route_6(&line(&zero[1..], "lo")));
        assert!(!default_route_6(&line(gateway, "lo")));
        assert!(!default_route_6(""));
    }

    #[tokio::test]
    async fn an_address_is_its_own_and_a_name_that_is_none_is_named() {
        for (host, shown) in [("10.0.2.2", "10.0.2.2:444"), ("fd00::2", "[fd00::2]:444")] {
            assert_eq!(resolve(host, 444).await, Ok(vec![shown.parse().unwrap()]));
        }
        // RFC 6761: no name below `invalid` is ever resolved.
        match resolve("answers.invalid", 444).await {
            Err(Unreachable::Dns { host, .. }) => assert_eq!(host, "answers.invalid"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_server_on_the_network_is_asked() {
        assert_eq!(
            host("file:///x https://cache.nixos.org/ https://b"),
            Some("cache.nixos.org".into())
        );
        assert_eq!(host("https://mirror:8443/x?y"), Some("mirror".into()));
        assert_eq!(host("\n"), None);
    }
}
