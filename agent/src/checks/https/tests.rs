//! A server with TLS, right or wrong in one respect → what comes back from it.

use std::sync::Arc;

use nixvm_answers::server::Fingerprint;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::*;
use crate::plan::Unreachable;

/// Nothing has to settle on this machine.
const SHORT: Limits = Limits {
    settling: Duration::ZERO,
    connect: Duration::from_secs(10),
    exchange: Duration::from_secs(60),
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\nhostname = 'web'";

const TOKEN: &str = "s3cret";

const BODY: &str = r#"{"dmi":{}}"#;

/// A certificate with its key.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Identity {
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(&self.certificate).into())
    }

    fn pin(&self) -> Trust {
        Trust::Certificate(self.fingerprint())
    }
}

pub(crate) fn localhost() -> CertificateParams {
    CertificateParams::new(vec!["localhost".to_owned()]).unwrap()
}

pub(crate) fn self_signed(parameters: &CertificateParams) -> Identity {
    let key = KeyPair::generate().unwrap();
    Identity { certificate: parameters.self_signed(&key).unwrap().der().clone(), key }
}

/// An authority, and a certificate that it has signed.
pub(in crate::checks) fn signed(parameters: &CertificateParams) -> (Trust, Identity) {
    let mut own = CertificateParams::default();
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    own.distinguished_name.push(DnType::CommonName, uuid::Uuid::new_v4().to_string());
    let authority = self_signed(&own);
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.signed_by(&key, &Issuer::new(own, authority.key)).unwrap();
    let identity = Identity { certificate: certificate.der().clone(), key };
    (Trust::Authorities(Arc::new(roots)), identity)
}

/// A server on this machine, and the requests it receives.
pub(crate) struct Server {
    pub(crate) port: u16,
    told: UnboundedReceiver<String>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers each request with `reply`, or never if that is empty.
    pub(crate) async fn start(identity: &Identity, reply: impl Into<String>) -> Self {
        let key = PrivateKeyDer::Pkcs8(identity.key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![identity.certificate.clone()], key)
            .unwrap();
        let (acceptor, reply) = (TlsAcceptor::from(Arc::new(config)), reply.into());
        let (sender, told) = unbounded_channel();
        let (port, listener) = listener().await;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let Ok(mut tls) = acceptor.accept(tcp).await else {
                    sender.send(String::new()).unwrap();
                    continue;
                };
                let mut request = Vec::new();
                while !is_whole(&request) && tls.read_buf(&mut request).await.unwrap_or(0) > 0 {}
                sender.send(String::from_utf8(request).unwrap()).unwrap();
                if reply.is_empty() {
                    std::future::pending::<()>().await;
                }
                // A client that has had enough closes its end first.
                let _closed = tls.write_all(reply.as_bytes()).await;
                let _closed = tls.shutdown().await;
            }
        });
        Self { port, told, _tasks: tasks }
    }

    /// Sends `reply` as it is to whoever connects, without TLS; nothing if it is empty.
    pub(in crate::checks) async fn plain(reply: &'static str) -> Self {
        let (sender, told) = unbounded_channel();
        let (port, listener) = listener().await;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                if reply.is_empty() {
                    std::future::pending::<()>().await;
                }
                let mut heard = Vec::new();
                let _anything = tcp.read_buf(&mut heard).await;
                let _closed = tcp.write_all(reply.as_bytes()).await;
                let _closed = tcp.shutdown().await;
                while tcp.read_buf(&mut heard).await.unwrap_or(0) > 0 {}
                sender.send(String::from_utf8_lossy(&heard).into_owned()).unwrap();
            }
        });
        Self { port, told, _tasks: tasks }
    }

    /// What the next connection tells: nothing if it ends during the handshake of TLS; without TLS,
    /// all bytes of it.
    pub(crate) async fn told(&mut self) -> String {
        self.told.recv().await.unwrap()
    }

    /// Whether it was told nothing more.
    pub(crate) fn is_silent(&self) -> bool {
        self.told.is_empty()
    }

    async fn ask(&self, trust: Trust) -> Result<Vec<u8>, Unfetched> {
        self.ask_within(trust, &SHORT).await
    }

    async fn ask_within(&self, trust: Trust, limits: &Limits) -> Result<Vec<u8>, Unfetched> {
        ask(&format!("https://localhost:{}/nixvm?rack=3", self.port), trust, limits).await
    }
}

async fn listener() -> (u16, TcpListener) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    (listener.local_addr().unwrap().port(), listener)
}

async fn ask(url: &str, trust: Trust, limits: &Limits) -> Result<Vec<u8>, Unfetched> {
    let (url, token) = (url.parse().unwrap(), Secret::new(TOKEN.to_owned()));
    let (body, wanted) = (BODY.to_owned(), Wanted::Answers);
    post(Request { url: &url, trust, token: Some(&token), body, wanted }, limits, &|_| ()).await
}

/// Whether a request has its header and the body that the header announces.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
    });
    body.len() >= length.unwrap_or(0)
}

fn tls_error(result: Result<Vec<u8>, Unfetched>) -> String {
    match result {
        Err(Unfetched::Tls { error }) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_pinned_certificate_is_enough_and_the_server_hears_who_asks() {
    let mut parameters = CertificateParams::new(vec!["another.example".to_owned()]).unwrap();
    parameters.not_after = date_time_ymd(2020, 1, 1);
    let identity = self_signed(&parameters);
    let mut server = Server::start(&identity, OK).await;
    assert_eq!(server.ask(identity.pin()).await.unwrap(), b"hostname = 'web'");
    let request = server.told().await;
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /nixvm?rack=3 HTTP/1.1\r\n"), "{head}");
    let lower = head.to_ascii_lowercase();
    for line in [
        format!("host: localhost:{}", server.port),
        "content-type: application/json".to_owned(),
        format!("authorization: bearer {TOKEN}"),
    ] {
        assert!(lower.lines().any(|one| one == line), "{line} is not in {head}");
    }
    assert_eq!(body, BODY);
}

#[tokio::test]
async fn another_certificate_is_named_and_its_server_is_told_nothing() {
    let mut server = Server::start(&self_signed(&localhost()), OK).await;
    let meant = self_signed(&localhost());
    let error = tls_error(server.ask(meant.pin()).await);
    assert!(error.contains("it shows another certificate, with the fingerprint "), "{error}");
    assert!(!error.contains(&meant.fingerprint().to_string()), "{error}");
    assert_eq!(server.told().await, "");
}

#[tokio::test]
async fn without_a_pin_an_authority_has_to_have_signed_a_valid_certificate_for_the_name() {
    let (trust, identity) = signed(&localhost());
    let server = Server::start(&identity, OK).await;
    assert_eq!(server.ask(trust).await.unwrap(), b"hostname = 'web'");

    let (other, _) = signed(&localhost());
    let error = tls_error(server.ask(other).await);
    assert!(error.contains("no authority that this system trusts"), "{error}");

    let mut own = localhost();
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (other, _) = signed(&localhost());
    let error = tls_error(Server::start(&self_signed(&own), OK).await.ask(other).await);
    assert!(error.contains("is self-signed, and the answers give no fingerprint"), "{error}");

    let mut old = localhost();
    old.not_after = date_time_ymd(2020, 1, 1);
    let (trust, identity) = signed(&old);
    let error = tls_error(Server::start(&identity, OK).await.ask(trust).await);
    assert!(error.contains("has expired, by this machine's clock"), "{error}");

    let mut new = localhost();
    (new.not_before, new.not_after) = (date_time_ymd(3000, 1, 1), date_time_ymd(3001, 1, 1));
    let (trust, identity) = signed(&new);
    let error = tls_error(Server::start(&identity, OK).await.ask(trust).await);
    assert!(error.contains("not valid yet, by this machine's clock"), "{error}");

    let (trust, identity) = signed(&CertificateParams::new(vec!["a.example".into()]).unwrap());
    let error = tls_error(Server::start(&identity, OK).await.ask(trust).await);
    assert_eq!(error, "its certificate is not for localhost");
}

#[tokio::test]
async fn a_missing_server_and_an_unknown_name_are_told_apart() {
    let identity = self_signed(&localhost());
    // Held without listening, so that no other program listens there.
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = held.local_addr().unwrap().port();
    let url = format!("https://127.0.0.1:{port}/");
    match ask(&url, identity.pin(), &SHORT).await {
        Err(Unfetched::Connect { server, error }) => {
            assert_eq!(server, format!("127.0.0.1:{port}"));
            assert!(error.contains("refused"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    // RFC 6761: no name below `invalid` is ever resolved.
    match ask("https://answers.invalid/", identity.pin(), &SHORT).await {
        Err(Unfetched::Network(Unreachable::Dns { host, .. })) => {
            assert_eq!(host, "answers.invalid");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_200_is_an_answer_and_no_redirect_is_followed() {
    let identity = self_signed(&localhost());
    for (reply, expected, to) in [
        ("404 Not Found\r\n", "404 Not Found", None),
        ("204 No Content\r\n", "204 No Content", None),
        ("302 Found\r\nLocation: http://a/\u{9b}2J\r\n", "302 Found", Some(r"http://a/\u{9b}2J")),
        ("307 Temporary Redirect\r\nLocation: https://b/\r\n", "307 Temporary", Some("https://b/")),
    ] {
        let reply = format!("HTTP/1.1 {reply}Content-Length: 0\r\n\r\n");
        match Server::start(&identity, reply).await.ask(identity.pin()).await {
            Err(Unfetched::Status { status, location }) => {
                assert!(status.starts_with(expected), "{status}");
                assert_eq!(location.as_deref(), to);
            }
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_response_that_is_too_large_or_empty_or_breaks_off_is_none() {
    let identity = self_signed(&localhost());
    let large = "x".repeat(document::LONGEST + 1);
    let chunk = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let most = "x".repeat(document::LONGEST);
    for (head, body, expected) in [
        (format!("Content-Length: {}", large.len()), &*large, Some("larger than 64 KiB")),
        ("Transfer-Encoding: chunked".into(), &*chunk, Some("larger than 64 KiB")),
        ("Content-Length: 2".into(), " \n", Some("it is empty")),
        ("Content-Length: 16".into(), "hostname", Some("body")),
        (format!("Content-Length: {}", most.len()), &*most, None),
    ] {
        let reply = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}");
        let found = Server::start(&identity, reply).await.ask(identity.pin()).await;
        match (found, expected) {
            (Ok(bytes), None) => assert_eq!(bytes.len(), document::LONGEST),
            (Err(Unfetched::Response { error }), Some(expected)) => {
                assert!(error.contains(expected), "{error}");
            }
            (other, expected) => panic!("{expected:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told_nothing() {
    let pin = || self_signed(&localhost()).pin();
    let mut server = Server::plain("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert_eq!(tls_error(server.ask(pin()).await), "it does not speak TLS");
    let told = server.told().await;
    // The name that is asked for is in TLS's first message.
    assert!(told.contains("localhost"), "{told:?}");
    for secret in [TOKEN, BODY] {
        assert!(!told.contains(secret), "{told:?}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let identity = self_signed(&localhost());
    let limits = Limits { exchange: Duration::from_secs(1), ..SHORT };
    for server in [Server::start(&identity, "").await, Server::plain("").await] {
        let found = server.ask_within(identity.pin(), &limits).await;
        assert_eq!(found, Err(Unfetched::Timeout { seconds: 1 }));
    }
}
