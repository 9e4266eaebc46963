//! A proxy and a server behind it → whether the proxy connects to that server, or at which stage that
//! stopped.
//!
//! The proxy is asked as curl and Nix ask it for each HTTPS server: by CONNECT (RFC 9110, section
//! 9.3.6). What follows through its tunnel is Nix's.

use hyper::client::conn::http1;
use hyper::header;
use hyper::{Method, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use nixvm_answers::proxy::Proxy;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::https::{self, Limits, Trust, chain};
use super::{network, tls};
use crate::plan::{Unfetched, Unreachable};

/// Resolves the proxy, connects to it, and asks it for a tunnel to `host`. `trust` says how a proxy that
/// speaks TLS is known.
///
/// # Errors
/// One of these failed.
pub(super) async fn check(
    proxy: &Proxy,
    host: &str,
    port: u16,
    limits: &Limits,
    trust: impl FnOnce() -> Result<Trust, Unfetched>,
) -> Result<(), Unreachable> {
    let addresses = network::resolve(&proxy.host(), proxy.port()).await?;
    let unconnected = |unfetched: Unfetched| Unreachable::Connection {
        proxy: proxy.to_string(),
        error: reason(unfetched),
    };
    let settled = Instant::now() + limits.settling;
    let tcp = https::connect(&addresses, settled, limits.connect).await.map_err(unconnected)?;
    let asked = async {
        if !proxy.is_over_tls() {
            return Ok::<_, Unreachable>(ask(tcp, host, port).await);
        }
        let trust = trust().map_err(unconnected)?;
        let tls = tls::handshake(tcp, &proxy.host(), trust).await.map_err(unconnected)?;
        Ok(ask(tls, host, port).await)
    };
    let answered = match timeout(limits.exchange, asked).await {
        Ok(answered) => answered?,
        Err(_) => Err(format!("no answer within {} s", limits.exchange.as_secs())),
    };
    answered.map_err(|error| {
        let (proxy, host) = (proxy.to_string(), host.to_owned());
        Unreachable::Proxy { proxy, host, error }
    })
}

/// Why there is no connection, without what the sentence around it says.
fn reason(unfetched: Unfetched) -> String {
    match unfetched {
        Unfetched::Connect { error, .. } => error,
        other => other.to_string(),
    }
}

/// Asks for the tunnel; the error is what the proxy says, or why it can't be understood.
async fn ask<S>(stream: S, host: &str, port: u16) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| format!("its response can't be used: {}", chain(&error));
    let (mut sender, connection) =
        http1::handshake::<_, String>(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends with this function, whatever the proxy does.
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let authority = format!("{bracketed}:{port}");
    let unusable = |error: hyper::http::Error| format!("it can't be asked: {error}");
    let uri = Uri::builder().authority(authority.as_str()).build().map_err(unusable)?;
    let request = hyper::Request::builder()
        .method(Method::CONNECT)
        .uri(uri)
        .header(header::HOST, authority)
        .header(header::USER_AGENT, concat!("nixvm/", env!("CARGO_PKG_VERSION")))
        .body(String::new())
        .map_err(unusable)?;
    let status = sender.send_request(request).await.map_err(broken)?.status();
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Err(format!("it wants a user name and a password ({status})"))
        }
        status => Err(format!("it answers {status}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::https::tests::{Server, localhost, signed};
    use super::*;

    const LIMITS: Limits = Limits {
        settling: Duration::ZERO,
        connect: Duration::from_secs(10),
        exchange: Duration::from_secs(60),
    };

    const HOST: &str = "cache.nixos.org";

    fn none() -> Result<Trust, Unfetched> {
        panic!("no TLS is spoken to this proxy")
    }

    async fn ask_within(port: u16, limits: &Limits) -> Result<(), Unreachable> {
        let proxy = format!("http://localhost:{port}").parse().unwrap();
        check(&proxy, HOST, 443, limits, none).await
    }

    /// What is said of a proxy that sends `reply`, and what it has heard.
    async fn replying(reply: &'static str) -> (Result<(), Unreachable>, String) {
        let mut server = Server::plain(reply).await;
        let found = ask_within(server.port, &LIMITS).await;
        (found, server.told().await)
    }

    fn refused(found: Result<(), Unreachable>) -> String {
        match found {
            Err(Unreachable::Proxy { proxy, host, error }) => {
                assert!(proxy.starts_with("http://localhost:") && host == HOST, "{proxy} {host}");
                error
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_proxy_that_connects_is_asked_for_the_server_by_its_name() {
        for reply in ["HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"] {
            let (found, heard) = replying(reply).await;
            assert_eq!(found, Ok(()), "{reply}");
            assert!(heard.starts_with("CONNECT cache.nixos.org:443 HTTP/1.1\r\n"), "{heard}");
            let heard = heard.to_ascii_lowercase();
            assert!(heard.contains("\r\nhost: cache.nixos.org:443\r\n"), "{heard}");
            assert!(heard.ends_with("\r\n\r\n"), "nothing is sent through the tunnel: {heard}");
        }
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_is_quoted() {
        for (reply, said) in [
            (
                "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
                "it wants a user name and a password (407 Proxy Authentication Required)",
            ),
            ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "it answers 502 Bad Gateway"),
            ("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "it answers 403 Forbidden"),
        ] {
            assert_eq!(refused(replying(reply).await.0), said);
        }
        // Another service than a proxy.
        let said = refused(replying("220 mail.example ESMTP\r\n").await.0);
        assert!(said.starts_with("its response can't be used: "), "{said}");
    }

    #[tokio::test]
    async fn a_proxy_that_says_nothing_is_given_up() {
        let server = Server::plain("").await;
        let limits = Limits { exchange: Duration::from_secs(1), ..LIMITS };
        let said = refused(ask_within(server.port, &limits).await);
        assert_eq!(said, "no answer within 1 s");
    }

    #[tokio::test]
    async fn a_proxy_that_is_not_there_and_one_without_an_address_are_told_apart() {
        // Held without listening, so that no other program listens there.
        let held = tokio::net::TcpSocket::new_v4().unwrap();
        held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let proxy = format!("http://127.0.0.1:{}", held.local_addr().unwrap().port());
        match check(&proxy.parse().unwrap(), HOST, 443, &LIMITS, none).await {
            Err(Unreachable::Connection { proxy: named, error }) => {
                assert_eq!(named, proxy);
                assert!(error.contains("refused"), "{error}");
            }
            other => panic!("{other:?}"),
        }
        // RFC 6761: no name below `invalid` is ever resolved.
        let proxy = "http://proxy.invalid:3128".parse().unwrap();
        match check(&proxy, HOST, 443, &LIMITS, none).await {
            Err(Unreachable::Dns { host, .. }) => assert_eq!(host, "proxy.invalid"),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_proxy_over_tls_has_to_show_a_certificate_for_its_name() {
        let (trust, identity) = signed(&localhost());
        let mut server = Server::start(&identity, "HTTP/1.1 200 OK\r\n\r\n").await;
        let proxy: Proxy = format!("https://localhost:{}", server.port).parse().unwrap();
        assert_eq!(check(&proxy, HOST, 443, &LIMITS, || Ok(trust)).await, Ok(()));
        let heard = server.told().await;
        assert!(heard.starts_with("CONNECT cache.nixos.org:443 HTTP/1.1\r\n"), "{heard}");

        let (other, _) = signed(&localhost());
        match check(&proxy, HOST, 443, &LIMITS, || Ok(other)).await {
            Err(Unreachable::Connection { error, .. }) => {
                assert!(error.contains("no authority that this system trusts"), "{error}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(server.told().await, "");
    }
}
