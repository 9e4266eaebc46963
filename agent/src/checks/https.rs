//! A POST request to an HTTPS server → the bytes that it answers with, or at which stage it stopped.
//!
//! Nothing is sent before the certificate is known to be the right one. No redirect is followed. Resolving
//! and routes, the connection, and the exchange each have a limit of time ([`LIMITS`]); the size is bounded.

use std::error::Error;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use nixvm_answers::document;
use nixvm_answers::password::Secret;
use nixvm_answers::server::ServerUrl;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::client::TlsStream;

pub(crate) use super::tls::Trust;
use super::{network, tls};
use crate::plan::Unfetched;

/// How long what is asked for may take.
pub(crate) struct Limits {
    /// After an adapter got its address, until names are resolved and routes are there: one by IPv6 may
    /// come before the one that leads to the server.
    pub(crate) settling: Duration,
    /// To one address of the server.
    pub(crate) connect: Duration,
    /// TLS's handshake, the request and the whole response.
    pub(crate) exchange: Duration,
}

pub(crate) const LIMITS: Limits = Limits {
    settling: Duration::from_secs(15),
    connect: Duration::from_secs(10),
    exchange: Duration::from_secs(30),
};

/// The pause before something is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// What is asked for.
pub(crate) struct Request<'a> {
    pub(crate) url: &'a ServerUrl,
    pub(crate) trust: Trust,
    /// Shown to the server that is trusted, as a bearer token.
    pub(crate) token: Option<&'a Secret>,
    /// JSON.
    pub(crate) body: String,
    pub(crate) wanted: Wanted,
}

/// What is wanted of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Answers: the status 200, and a body that is not empty.
    Answers,
    /// That it takes the request: any status of success.
    Success,
}

/// Posts it; each stage is handed to `say`. At most [`document::LONGEST`] bytes come back, and none
/// where only success is wanted.
pub(crate) async fn post(
    request: Request<'_>,
    limits: &Limits,
    say: &impl Fn(&str),
) -> Result<Vec<u8>, Unfetched> {
    let (host, port) = (request.url.host(), request.url.port());
    let settled = Instant::now() + limits.settling;
    say(&format!("looking up {host}"));
    let addresses = addresses(&host, port, settled).await?;
    say(&format!("connecting to {}", request.url.authority()));
    let tcp = connect(&addresses, settled, limits.connect).await?;
    say("waiting for its response");
    let exchange = async {
        let tls = tls::handshake(tcp, &host, request.trust.clone()).await?;
        send(tls, &request).await
    };
    let seconds = limits.exchange.as_secs();
    timeout(limits.exchange, exchange).await.unwrap_or(Err(Unfetched::Timeout { seconds }))
}

async fn addresses(host: &str, port: u16, settled: Instant) -> Result<Vec<SocketAddr>, Unfetched> {
    loop {
        match network::resolve(host, port).await {
            Ok(found) => return Ok(found),
            Err(missing) if Instant::now() >= settled => return Err(Unfetched::Network(missing)),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Connects to the first of the addresses that takes it.
pub(super) async fn connect(
    addresses: &[SocketAddr],
    settled: Instant,
    limit: Duration,
) -> Result<TcpStream, Unfetched> {
    loop {
        let mut failed = None;
        let mut may_come = false;
        for address in addresses {
            let tried = timeout(limit, TcpStream::connect(address)).await;
            let error = match tried.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
                Ok(tcp) => return Ok(tcp),
                Err(error) => error,
            };
            may_come |= matches!(
                error.kind(),
                ErrorKind::NetworkUnreachable
                    | ErrorKind::HostUnreachable
                    | ErrorKind::AddrNotAvailable
            );
            failed = Some((address, error));
        }
        if may_come && Instant::now() < settled {
            sleep(PAUSE).await;
            continue;
        }
        return Err(match failed {
            Some((address, error)) => {
                Unfetched::Connect { server: address.to_string(), error: error.to_string() }
            }
            None => Unfetched::Connect {
                server: "the server".to_owned(),
                error: "its name has no address".to_owned(),
            },
        });
    }
}

async fn send(tls: TlsStream<TcpStream>, request: &Request<'_>) -> Result<Vec<u8>, Unfetched> {
    let broken = |error: hyper::Error| Unfetched::Response { error: chain(&error) };
    let (mut sender, connection) =
        http1::handshake::<_, String>(TokioIo::new(tls)).await.map_err(broken)?;
    // It ends with this function, whatever the server does.
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let response = sender.send_request(message(request)?).await.map_err(broken)?;
    match request.wanted {
        Wanted::Success if response.status().is_success() => return Ok(Vec::new()),
        Wanted::Answers if response.status() == StatusCode::OK => {}
        _ => return Err(refused(&response)),
    }
    let body = Limited::new(response.into_body(), document::LONGEST).collect().await;
    let bytes = body.map_err(|error| Unfetched::Response {
        error: match error.is::<LengthLimitError>() {
            true => format!("it is larger than {} KiB", document::LONGEST / 1024),
            false => chain(&*error),
        },
    })?;
    let bytes = bytes.to_bytes();
    if bytes.trim_ascii().is_empty() {
        return Err(Unfetched::Response { error: "it is empty".to_owned() });
    }
    Ok(bytes.into())
}

fn message(request: &Request<'_>) -> Result<hyper::Request<String>, Unfetched> {
    let url = request.url;
    let mut builder = hyper::Request::builder()
        .method(Method::POST)
        .uri(url.path())
        .header(header::HOST, url.authority())
        .header(header::USER_AGENT, concat!("nixvm/", env!("CARGO_PKG_VERSION")))
        .header(header::CONTENT_TYPE, "application/json");
    if request.wanted == Wanted::Answers {
        builder = builder.header(header::ACCEPT, "application/toml, text/plain");
    }
    if let Some(token) = request.token {
        let invalid = |_| Unfetched::Token { error: "it can't be in a header".to_owned() };
        let mut value =
            HeaderValue::try_from(format!("Bearer {}", token.reveal())).map_err(invalid)?;
        value.set_sensitive(true);
        builder = builder.header(header::AUTHORIZATION, value);
    }
    builder
        .body(request.body.clone())
        .map_err(|error| Unfetched::Response { error: format!("no request can be made: {error}") })
}

fn refused(response: &Response<Incoming>) -> Unfetched {
    let location = response.headers().get(header::LOCATION);
    let location = location.filter(|_| response.status().is_redirection());
    Unfetched::Status {
        status: response.status().to_string(),
        // It comes from the network, and is shown on a terminal.
        location: location
            .map(|value| String::from_utf8_lossy(value.as_bytes()).escape_debug().to_string()),
    }
}

/// An error with its causes.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
pub(crate) mod tests;
