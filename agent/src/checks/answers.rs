//! A server of answers → the answers that it has for this machine, or where fetching them stopped.
//!
//! The machine tells who it is ([`super::facts`]) in a POST request, and the response is an answers
//! file. Proxmox's automated installer asks in the same way.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nixvm_answers::document;
use nixvm_answers::password::Secret;
use nixvm_answers::server::AnswersServer;
use nixvm_answers::{Problem, Source};
use nixvm_manifest::Manifest;

use super::https::{self, LIMITS, Request, Trust};
use super::{Progress, facts, network};
use crate::machine::Machine;
use crate::plan::{Checked, Fetched, Unfetched, Unreachable};

/// The credential with the token that the server is shown: as every user can read the kernel's
/// command line, it is not there.
const TOKEN: &str = "run/credentials/@system/nixvm.answers.token";

/// Bytes of a token.
const LONGEST_TOKEN: usize = 4096;

/// Asks the server.
pub(super) async fn check(
    manifest: &Manifest,
    machine: &Machine,
    server: AnswersServer,
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
    server: &AnswersServer,
    progress: &Progress,
) -> Result<Fetched, Unfetched> {
    let sentence = format!("Fetching answers from {server}");
    let say = |doing: &str| progress.say(format!("{sentence}: {doing}."));
    let token = token(root).map_err(|error| Unfetched::Token { error: format!("{error:#}") })?;
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
    let request =
        Request { url, trust, token: token.as_ref(), body: facts::json(root, manifest, machine) };
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

/// The token for the server; none if there is no such credential.
fn token(root: &Path) -> Result<Option<Secret>> {
    let path = root.join(TOKEN);
    let bytes = match File::open(&path).and_then(document::read_limited) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    let token = Secret::new(String::from_utf8_lossy(&bytes).trim_end().to_owned());
    // The characters of RFC 6750, section 2.1.
    let is_taken = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    let text = token.reveal();
    ensure!(!text.is_empty(), "it is empty");
    ensure!(text.len() <= LONGEST_TOKEN, "it has more than {LONGEST_TOKEN} characters");
    ensure!(text.bytes().all(is_taken), "a character in it can't be in a bearer token");
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::super::https::tests::{Server, localhost, self_signed};
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
        let root = root(&[CARRIER, ROUTE, serial, (TOKEN, "s3cret\n")]);
        let identity = self_signed(&localhost());
        let text = "hostname = 'web'\nerase = 'al'\n";
        let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        let mut running = Server::start(&identity, reply).await;
        let url = format!("https://127.0.0.1:{}/nixvm", running.port);
        let server = AnswersServer {
            url: Some(url.parse().unwrap()),
            fingerprint: Some(identity.fingerprint()),
        };
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
        let server: AnswersServer = "https://127.0.0.1:1/".parse().unwrap();
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

    #[test]
    fn a_token_is_a_credential_and_is_never_in_a_message() {
        let root = tempfile::tempdir().unwrap();
        assert!(token(root.path()).unwrap().is_none());
        let path = root.path().join(TOKEN);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "s3cret-._~+/==\n").unwrap();
        assert_eq!(token(root.path()).unwrap().unwrap().reveal(), "s3cret-._~+/==");
        for bad in ["", "\n", "s3cret two", "s3cret\r\nX-Other: 1", &"s3cret".repeat(1000)] {
            std::fs::write(&path, bad).unwrap();
            let error = format!("{:#}", token(root.path()).map(|_| ()).unwrap_err());
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
