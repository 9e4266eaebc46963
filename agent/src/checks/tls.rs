//! A TCP connection and what is known of the server's certificate → a TLS connection to that server,
//! or why it is another one.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use nixvm_answers::server::Fingerprint;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use crate::plan::Unfetched;

/// How the server is known.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// By its certificate itself: whose name is in it, who signed it and until when it is valid do not
    /// matter.
    Certificate(Fingerprint),
    /// By a certificate for its name that one of these has signed.
    Authorities(Arc<RootCertStore>),
}

impl Trust {
    /// The authorities that the live system trusts.
    ///
    /// # Errors
    /// There are none.
    pub(crate) fn system() -> Result<Self, Unfetched> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(found.certs);
        if usable == 0 {
            let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
            let error = format!(
                "this system has no authorities' certificates{why}, and the answers give no \
                 fingerprint"
            );
            return Err(Unfetched::Tls { error });
        }
        Ok(Self::Authorities(Arc::new(roots)))
    }
}

/// Makes sure who is at the other end.
pub(crate) async fn handshake(
    tcp: TcpStream,
    host: &str,
    trust: Trust,
) -> Result<TlsStream<TcpStream>, Unfetched> {
    let tls = |error: String| Unfetched::Tls { error };
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| tls(error.to_string()))?;
    let config = match trust {
        Trust::Authorities(roots) => builder.with_root_certificates(roots),
        Trust::Certificate(fingerprint) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pin { fingerprint, provider })),
    };
    let connector = TlsConnector::from(Arc::new(config.with_no_client_auth()));
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| tls(format!("{host} can't be the name in a certificate")))?;
    connector.connect(name, tcp).await.map_err(|error| tls(explain(&error, host)))
}

/// Takes one certificate and no other one.
#[derive(Debug)]
struct Pin {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

/// Another certificate than the one that was meant.
#[derive(Debug)]
struct OtherCertificate {
    found: Fingerprint,
}

impl std::fmt::Display for OtherCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it shows another certificate, with the fingerprint {}", self.found)
    }
}

impl std::error::Error for OtherCertificate {}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = Fingerprint(Sha256::digest(end_entity).into());
        if found == self.fingerprint {
            return Ok(ServerCertVerified::assertion());
        }
        let other = OtherError(Arc::new(OtherCertificate { found }));
        Err(CertificateError::Other(other).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Why a handshake failed, in words.
fn explain(error: &io::Error, host: &str) -> String {
    use CertificateError as Certificate;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(why)) => match why {
            Certificate::UnknownIssuer => {
                "its certificate is signed by no authority that this system trusts".to_owned()
            }
            Certificate::Expired | Certificate::ExpiredContext { .. } => {
                "its certificate has expired, by this machine's clock".to_owned()
            }
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                "its certificate is not valid yet, by this machine's clock".to_owned()
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                format!("its certificate is not for {host}")
            }
            Certificate::BadSignature => "the signature in its certificate is wrong".to_owned(),
            // What `openssl req -x509` makes; rustls has no error of its own for it.
            Certificate::Other(OtherError(other)) if other.to_string() == "CaUsedAsEndEntity" => {
                "its certificate is self-signed, and the answers give no fingerprint".to_owned()
            }
            Certificate::Other(OtherError(other)) => other.to_string(),
            other => format!("its certificate is refused: {other}"),
        },
        Some(Error::InvalidMessage(_)) => "it does not speak TLS".to_owned(),
        Some(other) => other.to_string(),
        None if error.kind() == ErrorKind::UnexpectedEof => {
            "it closes the connection during the handshake".to_owned()
        }
        None => error.to_string(),
    }
}
