//! The connection of one request: name, address, TLS. A name is resolved once, and what is connected to is
//! what was checked.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::Uri;
use http::uri::Scheme;
use joch_core::port::Reach;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::{Error, Result};

use super::address;

/// Addresses of one name that are tried.
const TRIED: usize = 8;

/// The connection, with or without TLS.
pub(super) type Stream = Box<dyn Connection>;

/// What a connection is.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// The certificate authorities of this machine, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`: read once,
/// when they are needed first. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Roots(Arc<OnceCell<Arc<ClientConfig>>>);

/// Connects to where a request goes.
pub(super) async fn connect(uri: &Uri, reach: Reach, roots: &Roots) -> Result<Stream> {
    let host = uri.host().ok_or(Error::HttpRequestUriInvalid)?;
    let secure = uri.scheme() != Some(&Scheme::HTTP);
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = open(host, port, reach).await?;
    // Requests are small and wait for their answer.
    stream.set_nodelay(true).map_err(|_| Error::ConnectionTerminated)?;
    if !secure {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::HttpRequestUriInvalid)?;
    let connector = TlsConnector::from(roots.config().await?);
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => {
            tracing::debug!(host, %error, "no TLS connection");
            let certificate = error
                .get_ref()
                .and_then(|error| error.downcast_ref::<rustls::Error>())
                .is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_)));
            Err(if certificate { Error::TlsCertificateError } else { Error::TlsProtocolError })
        }
    }
}

/// Opens a connection to the first address that answers.
async fn open(host: &str, port: u16, reach: Reach) -> Result<TcpStream> {
    let unknown = |_| Error::DnsError { rcode: None, info_code: None };
    let found = tokio::net::lookup_host((host, port)).await.map_err(unknown)?;
    let found: Vec<SocketAddr> = found.take(TRIED).collect();
    let open = found.iter().filter(|address| may_reach(host, address.ip(), reach));
    let mut last =
        if found.is_empty() { Error::DestinationNotFound } else { Error::DestinationIpProhibited };
    for address in open {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                tracing::debug!(host, %address, %error, "no connection");
                last = match error.kind() {
                    std::io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
                    _ => Error::DestinationUnavailable,
                };
            }
        }
    }
    if matches!(last, Error::DestinationIpProhibited) {
        tracing::warn!(host, "a request to an address of this machine or its link was refused");
    }
    Err(last)
}

/// Whether a request to `host` may go to one of its addresses. A special address has to be named by the
/// grant, as itself: a name that happens to lead there does not name it, `localhost` excepted.
fn may_reach(host: &str, to: IpAddr, reach: Reach) -> bool {
    let itself = host.parse() == Ok(to) || (host == "localhost" && to.is_loopback());
    !address::is_special(to) || (reach == Reach::Named && itself)
}

impl Roots {
    async fn config(&self) -> Result<Arc<ClientConfig>> {
        let load = || async {
            let loaded = tokio::task::spawn_blocking(load).await;
            loaded.unwrap_or_else(|error| Err(error.to_string()))
        };
        let config = self.0.get_or_try_init(load).await;
        config.cloned().map_err(|text| Error::InternalError(Some(text)))
    }
}

/// Reads the certificate authorities. Blocks on files.
fn load() -> std::result::Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(format!(
            "this machine has no certificate authorities ({}); install them, or set SSL_CERT_FILE",
            reasons.join("; ")
        ));
    }
    trusting(roots)
}

/// The settings of connections to servers that these vouch for.
fn trusting(roots: RootCertStore) -> std::result::Result<Arc<ClientConfig>, String> {
    // The provider is named: the process has no default one.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Roots {
        /// Trusts one certificate and nothing else.
        pub(crate) fn only(certificate: &rustls::pki_types::CertificateDer<'static>) -> Self {
            let mut roots = RootCertStore::empty();
            roots.add(certificate.clone()).unwrap();
            Self(Arc::new(OnceCell::new_with(Some(trusting(roots).unwrap()))))
        }
    }

    #[test]
    fn a_special_address_has_to_be_named_as_itself() {
        use Reach::{Named, Ordinary};
        let table = [
            ("127.0.0.1", "127.0.0.1", Named, true),
            ("127.0.0.1", "127.0.0.1", Ordinary, false),
            ("::1", "::1", Named, true),
            ("localhost", "::1", Named, true),
            ("localhost", "127.0.0.1", Ordinary, false),
            ("localhost", "169.254.169.254", Named, false),
            ("a.example.com", "127.0.0.1", Named, false),
            ("a.example.com", "169.254.169.254", Named, false),
            ("a.example.com", "10.0.0.1", Ordinary, true),
        ];
        for (host, to, reach, expected) in table {
            assert_eq!(
                may_reach(host, to.parse().unwrap(), reach),
                expected,
                "{host} {to} {reach:?}"
            );
        }
    }
}
