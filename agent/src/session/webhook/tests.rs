//! A server with TLS on this machine, and the reports it receives.

use serde_json::{Value, json};

use super::*;
use crate::checks::https::tests::{self as servers, localhost, self_signed};
use crate::event::examples::problem;

/// Nothing has to be waited for on this machine.
const EAGER: Patience = Patience {
    total: Duration::from_secs(60),
    pause: Duration::ZERO,
    limits: Limits {
        settling: Duration::ZERO,
        connect: Duration::from_secs(10),
        exchange: Duration::from_secs(60),
    },
};

fn ended(outcome: Outcome, error: Option<Problem>) -> Event {
    let duration_seconds = Some(1.5);
    Event::AttemptEnded { outcome, error, duration_seconds, peak_resident_bytes: 0 }
}

fn manifest() -> Manifest {
    nixvm_manifest::parse(include_str!("../../../manifest/fixtures/manifest.json")).unwrap()
}

/// A server that answers each request with `reply`, and how it is written in the answers.
async fn server(reply: &str) -> (servers::Server, Server) {
    let identity = self_signed(&localhost());
    let running = servers::Server::start(&identity, reply).await;
    let url = format!("https://127.0.0.1:{}/hook", running.port).parse().unwrap();
    (running, Server { url: Some(url), fingerprint: Some(identity.fingerprint()) })
}

#[tokio::test]
async fn the_webhook_hears_who_was_installed_and_by_which_key_it_is_known() {
    let (mut running, server) = server("HTTP/1.1 204 No Content\r\n\r\n").await;
    let root = crate::machine::examples::root(&[(
        "run/credentials/@system/nixvm.webhook.token",
        "s3cret\n",
    )]);
    let mut news = News::of(server.clone(), "attempt-1", &crate::plan::examples::plan("vda"));
    news.host_key = Some("ssh-ed25519 AAAA root@nixvm".to_owned());
    let body = news.body(&manifest(), &ended(Outcome::Installed, None)).await;
    deliver(root.path(), &server, &body, &EAGER).await.unwrap();

    let request = running.told().await;
    let (head, said) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("authorization: bearer s3cret"), "{head}");
    let said: Value = serde_json::from_str(said).unwrap();
    assert_eq!(said["outcome"], "installed");
    assert_eq!(said["error"], Value::Null);
    assert_eq!(said["attempt"], "attempt-1");
    assert_eq!(said["fqdn"], "nixvm");
    assert_eq!(said["disks"][0]["path"], "/dev/vda");
    assert_eq!(said["disks"][0]["is-bootdisk"], true);
    let keys = json!({ "ed25519": "ssh-ed25519 AAAA root@nixvm" });
    assert_eq!(said["ssh-public-host-keys"], keys);
    assert!(said["network-interfaces"].is_array() && said["dmi"].is_object(), "{said}");
}

#[tokio::test]
async fn a_failure_is_told_with_its_error() {
    let (_, server) = server("").await;
    let news = News::of(server, "attempt-1", &crate::plan::examples::plan("vda"));
    let body = news.body(&manifest(), &ended(Outcome::Failed, Some(problem()))).await;
    let said: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(said["outcome"], "failed");
    assert_eq!(said["error"]["kind"], "step-failed");
    assert_eq!(said["ssh-public-host-keys"], json!({}));
}

#[tokio::test]
async fn a_server_that_refuses_is_asked_a_few_times_and_then_given_up() {
    let reply = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
    let (mut running, server) = server(reply).await;
    let root = tempfile::tempdir().unwrap();
    let error = deliver(root.path(), &server, "{}", &EAGER).await.unwrap_err();
    assert_eq!(error.to_string(), "the server answers 500 Internal Server Error");
    for _ in 0..TRIES {
        assert!(running.told().await.starts_with("POST /hook "));
    }
    assert!(running.is_silent(), "it is asked more often");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_after_the_time_for_all_tries() {
    let (_running, server) = server("").await;
    let root = tempfile::tempdir().unwrap();
    let patience = Patience { total: Duration::from_secs(1), ..EAGER };
    let found = deliver(root.path(), &server, "{}", &patience).await;
    assert_eq!(found, Err(Unfetched::Timeout { seconds: 1 }));
}

#[test]
fn adapters_have_the_addresses_that_others_can_reach() {
    let listed = r#"[
        {"ifname":"lo","address":"00:00:00:00:00:00","addr_info":[
            {"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host"}]},
        {"ifname":"ens3","address":"52:54:00:12:34:56","addr_info":[
            {"family":"inet","local":"10.0.2.15","prefixlen":24,"scope":"global"},
            {"family":"inet6","local":"fd00::15","prefixlen":64,"scope":"global"},
            {"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link"}]},
        {"ifname":"ens4","address":"52:54:00:12:34:57","addr_info":[]}
    ]"#;
    let found = serde_json::to_value(parse(listed)).unwrap();
    let expected = json!([
        { "name": "ens3", "mac": "52:54:00:12:34:56", "address": "10.0.2.15/24",
          "addresses": ["10.0.2.15/24", "fd00::15/64"] },
        { "name": "ens4", "mac": "52:54:00:12:34:57", "addresses": [] },
    ]);
    assert_eq!(found, expected);
}
