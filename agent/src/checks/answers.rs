//! A server of answers → the answers that it has for this machine, or where fetching them stopped.
//!
//! The machine tells who it is ([`super::facts`]) in a POST request, and the response is an answers
//! file. Proxmox's automated installer asks in the same way.

use std::path::Path;

use nixvm_answers::document;
use nixvm_answers::server::Server;
use nixvm_answers::{Problem, Source};
use nixvm_manifest::Manifest;

use super::https::{self, LIMITS, Request, Trust, Wanted};
use super::{Progress, facts, network, token};
use crate::machine::Machine;
use crate::plan::{Checked, Fetched, Unfetched, Unreachable};

/// The credential with the token that the server is shown.
const TOKEN: &str = "nixvm.answers.token";

/// Asks the server.
pub(super) async fn check(
    manifest: &Manifest,
    machine: &Machine,
    server: Server,
    progress: &Progress,
) -> Checked {
    let found = fetch(Path::new("/"), manifest, machine, &server, progress).await;
    match &found {
        Ok(Ok(_)) => tracing::info!("answers fetched from {server}"),
        Ok(Err(problems)) => tracing::warn!("answers fetched from {server} are wrong: {problems}"),
        Err(unfetched) => tracing::warn!("no answers from {server}: {unfetched}"),
    }
    Checked { answers: Some((server, found)), ..Checked::default() }
}

async fn fetch(
    root: &Path,
    manifest: &Manifest,
    machine: &Machine,
    server: &Server,
    progress: &Progress,
) -> Result<Fetched, Unfetched> {
    let sentence = format!("Fetching answers from {server}");
    let say = |doing: &str| progress.say(format!("{sentence}: {doing}."));
    let token = token::read(root, TOKEN)?;
    network::local(root, |missing| match missing {
        Unreachable::Link => say("waiting for a network adapter with a link"),
        _ => say("waiting for an address"),
    })
    .await
    .map_err(Unfetched::Network)?;
    // A server without a URL is refused when the answers are read.
    let Some(url) = &server.url else {
        return Err(Unfetched::Response { error: "there is no URL".to_owned() });
    };
    let trust = match server.fingerprint {
        Some(fingerprint) => Trust::Certificate(fingerprint),
        None => Trust::system()?,
    };
    let body = facts::json(root, manifest, machine);
    let request = Request { url, trust, token: token.as_ref(), body, wanted: Wanted::Answers };
    let bytes = https::post(request, &LIMITS, &say).await?;
    Ok(parse(&bytes, url.as_str()))
}

fn parse(bytes: &[u8], url: &str) -> Fetched {
    let source = Source::Url { url: url.to_owned() };
    let given = document::parse(bytes, source.clone())?;
    if given.answers.server.is_some() {
        let hint = Some("leave [answers] out of what the server sends");
        return Err(Problem::whole(source, "a server can't lead to another server", hint).into());
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::super::https::tests::{self as servers, localhost, self_signed};
    use super::*;
    use crate::machine::examples::{machine, root};

    const CARRIER: (&str, &str) = ("sys/class/net/ens3/carrier", "1\n");
    const ROUTE: (&str, &str) =
        ("proc/net/route", "Iface\tDestination\tGateway\tFlags\nens3\t00000000\t0202000A\t0003\n");

    fn manifest() -> Manifest {
        nixvm_manifest::parse(include_str!("../../manifest/fixtures/manifest.json")).unwrap()
    }

    #[tokio::test]
    async fn the_server_hears_who_asks_and_its_answers_are_read() {
        let serial = ("sys/devices/virtual/dmi/id/product_serial", "A1\n");
        let root = root(&[
            CARRIER,
            ROUTE,
            serial,
            ("run/credentials/@system/nixvm.answers.token", "s3cret\n"),
        ]);
        let identity = self_signed(&localhost());
        let text = "hostname = 'web'\nerase = 'al'\n";
        let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        let mut running = servers::Server::start(&identity, reply).await;
        let url = format!("https://127.0.0.1:{}/nixvm", running.port);
        let server =
            Server { url: Some(url.parse().unwrap()), fingerprint: Some(identity.fingerprint()) };
        let (progress, heard) = Progress::new();
        let found = fetch(root.path(), &manifest(), &machine(), &server, &progress).await.unwrap();
        let problems = found.unwrap_err().to_string();
        assert!(problems.starts_with(&format!("{url}, line 2, column 9: ")), "{problems}");
        let request = running.told().await;
        assert!(request.to_ascii_lowercase().contains("\r\nauthorization: bearer s3cret\r\n"));
        let body = request.split_once("\r\n\r\n").unwrap().1;
        let said: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(said["dmi"]["system"]["serial"], "A1");
        assert_eq!(said["machine"]["memory_bytes"], machine().memory_bytes);
        let expected = format!("Fetching answers from {url}: waiting for its response.");
        assert_eq!(*heard.borrow(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_and_an_address_are_waited_for_and_named() {
        let server: Server = "https://127.0.0.1:1/".parse().unwrap();
        for (files, missing, said) in [
            (vec![], Unreachable::Link, "waiting for a network adapter with a link."),
            (vec![CARRIER], Unreachable::Lease, "waiting for an address."),
        ] {
            let root = root(&files);
            let (progress, heard) = Progress::new();
            let found = fetch(root.path(), &manifest(), &machine(), &server, &progress).await;
            assert_eq!(found, Err(Unfetched::Network(missing)));
            assert!(heard.borrow().ends_with(said), "{}", *heard.borrow());
        }
    }

    #[test]
    fn mistakes_have_line_and_column_and_a_server_names_no_other_one() {
        let url = "https://a.example/x";
        let given = parse(b"hostname = 'web'\n", url).unwrap();
        assert_eq!(given.source, Source::Url { url: url.to_owned() });
        let problems = parse(b"hostname = 'web'\nerase = 'al'\n", url).unwrap_err().to_string();
        assert!(problems.starts_with("https://a.example/x, line 2, column 9: "), "{problems}");
        let problems = parse(b"answers.url = 'https://b'", url).unwrap_err().to_string();
        assert!(problems.contains("can't lead to another server"), "{problems}");
    }
}
