//! Files as cloud-init's documentation and Proxmox have them → interfaces, and what is ignored.

use proptest::prelude::*;

use super::super::network_config;
use crate::keys::Answers;

fn read(text: &str) -> (String, Vec<String>) {
    let found = network_config(text.as_bytes(), "/dev/sr0").unwrap_or_else(|p| panic!("{p}"));
    let network = found.answers.network.map(|settings| settings.to_string());
    (network.unwrap_or_default(), found.ignored)
}

fn error(text: &str) -> String {
    network_config(text.as_bytes(), "/dev/sr0").unwrap_err().to_string()
}

#[test]
fn version_2_is_read() {
    let text = "
version: 2
ethernets:
  interface0:
    match:
      macaddress: 'BC:24:11:0A:0B:0C'
    set-name: eth0
    addresses:
      - 192.168.14.2/24
      - 2001:db8::2/64: {lifetime: 0}
    routes:
      - to: default
        via: 192.168.14.1
      - {to: ::/0, via: 2001:db8::1}
      - {to: 10.0.0.0/8, via: 192.168.14.3, metric: 100}
    nameservers:
      search: [foo.local, bar.local]
      addresses: [8.8.8.8, 2001:db8::53]
    dhcp6: true
  enp2s0:
    dhcp4: true
  enp3s0:
    addresses: [10.10.10.2/24]
    gateway4: 10.10.10.1
    dhcp4: false
    optional: true
bonds: {}
";
    let (network, ignored) = read(text);
    assert_eq!(
        network,
        "mac=bc:24:11:0a:0b:0c,address=192.168.14.2/24,address=2001:db8::2/64,\
         gateway=192.168.14.1,gateway=2001:db8::1,dns=8.8.8.8,dns=2001:db8::53,\
         search=foo.local,search=bar.local \
         name=enp3s0,address=10.10.10.2/24,gateway=10.10.10.1"
    );
    let expected = [
        "bonds",
        "ethernets.set-name",
        "addresses.lifetime",
        "routes.metric",
        "routes.10.0.0.0/8",
        "ethernets.dhcp6",
        "ethernets.optional",
    ];
    assert_eq!(ignored, expected);
}

#[test]
fn netplans_own_form_and_a_pattern_for_the_only_adapter_are_read() {
    let text = "network: {version: 2, renderer: networkd, ethernets: {all: \
        {match: {name: 'en*'}, addresses: [10.0.2.77/24]}}}";
    assert_eq!(read(text), ("address=10.0.2.77/24".into(), vec!["renderer".into()]));
}

#[test]
fn version_1_is_read_as_proxmox_writes_it() {
    let text = "
version: 1
config:
    - type: physical
      name: eth0
      mac_address: 'bc:24:11:0a:0b:0c'
      subnets:
      - type: static
        address: '10.0.2.77'
        netmask: '255.255.255.0'
        gateway: '10.0.2.2'
      - type: static6
        address: 'fd00::77/64'
    - type: physical
      name: eth1
      subnets:
      - type: dhcp4
    - type: nameserver
      address:
      - '10.0.2.3'
      search:
      - 'example.org'
    - type: bond
      name: bond0
";
    let (network, ignored) = read(text);
    assert_eq!(
        network,
        "mac=bc:24:11:0a:0b:0c,address=10.0.2.77/24,address=fd00::77/64,gateway=10.0.2.2,\
         dns=10.0.2.3,search=example.org"
    );
    assert_eq!(ignored, ["config.bond"]);
}

/// Two adapters with addresses and one without, beside these name servers.
fn with_name_servers(list: &str) -> String {
    let mut text = "version: 1\nconfig:\n".to_owned();
    for (name, subnet) in [
        ("eth0", "type: static, address: 10.0.2.77/24, dns_nameservers: ['fd00::3']"),
        ("eth1", "type: static, address: 10.0.3.77/24"),
        ("eth2", "type: dhcp"),
    ] {
        text += &format!("  - {{type: physical, name: {name}, subnets: [{{{subnet}}}]}}\n");
    }
    text + &format!("  - {{type: nameserver, {list}}}\n")
}

#[test]
fn name_servers_are_for_every_adapter_with_an_address_each_once() {
    let list = "address: ['FD00::3', 10.0.2.3, 10.0.2.3], search: [lan]";
    let (network, ignored) = read(&with_name_servers(list));
    assert_eq!(
        network,
        "name=eth0,address=10.0.2.77/24,dns=fd00::3,dns=10.0.2.3,search=lan \
         name=eth1,address=10.0.3.77/24,dns=fd00::3,dns=10.0.2.3,search=lan"
    );
    assert!(ignored.is_empty(), "{ignored:?}");
}

#[test]
fn a_name_server_that_is_none_is_refused_once_whatever_adapters_there_are() {
    let alone = "version: 1\nconfig: [{type: nameserver, address: dns.example}]";
    for text in [&with_name_servers("address: dns.example"), alone] {
        assert_eq!(error(text).matches("\"dns.example\" is not an IP address").count(), 1);
    }
}

#[test]
fn dhcp_alone_is_no_answer() {
    for text in [
        "",
        "version: 2\nethernets: {eth0: {dhcp4: true, dhcp6: true}}",
        "version: 1\nconfig: [{type: physical, name: eth0, subnets: [{type: dhcp}]}]",
        "version: 2\n",
    ] {
        assert_eq!(read(text), (String::new(), vec![]), "{text}");
    }
    assert_eq!(read("network: {config: disabled}").1, ["config"]);
}

#[test]
fn mistakes_have_their_line() {
    for (text, says) in [
        ("version: 3", "line 1, column 10: this version of network-config is not known"),
        ("ethernets: {}", "has no version"),
        (
            "version: 2\nethernets:\n  eth0:\n    addresses: [10.0.2.77]\n",
            "line 4, column 17: \"10.0.2.77\" is not an address with a prefix",
        ),
        (
            "version: 2\nethernets:\n  eth0: {addresses: [10.0.2.77/24], gateway4: 10.0.3.1}\n",
            "the gateway 10.0.3.1 is outside of 10.0.2.0/24",
        ),
        (
            "version: 2\nethernets:\n  a: {match: {driver: x}, addresses: [10.0.2.77/24]}\n",
            "neither a name nor a MAC address",
        ),
        ("version: 1\nconfig: {}", "config has to be a list"),
    ] {
        let error = error(text);
        assert!(error.contains(says), "{text}: {error}");
    }
}

proptest! {
    /// What is taken names no policy, and is what an answers file could say.
    #[test]
    fn whatever_is_taken_is_only_interfaces_that_are_right(
        keys in proptest::collection::vec(
            "(addresses|gateway4|gateway6|dhcp4|nameservers|routes|match|set-name|[a-z]{1,3})",
            0..5,
        ),
        values in proptest::collection::vec(
            "(\\[?(10\\.0\\.2\\.[0-9]{1,3}|fd00::[0-9]{0,2})(/24|/64)?\\]?|true|\\{name: e\\*\\}|[ -~]{0,8})",
            5,
        ),
    ) {
        let lines = keys.iter().zip(&values).map(|(key, value)| format!("    {key}: {value}\n"));
        let text = format!("version: 2\nethernets:\n  eth0:\n    dhcp6: true\n{}", lines.collect::<String>());
        let Ok(found) = network_config(text.as_bytes(), "/dev/sr0") else { return Ok(()) };
        let network = found.answers.network.clone();
        prop_assert_eq!(Answers { network: network.clone(), ..Answers::default() }, found.answers);
        if let Some(settings) = network {
            prop_assert!(settings.policy.is_none());
            prop_assert_eq!(settings.to_string().parse(), Ok(settings));
        }
    }
}
