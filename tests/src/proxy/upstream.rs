//! The proxy's side towards the API server: TLS connections, kept for reuse.

use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use kube::Config;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

type Sender = SendRequest<Full<Bytes>>;

/// The API server.
pub(super) struct Upstream {
    authority: String,
    host: String,
    tls: TlsConnector,
    idle: Mutex<Vec<Sender>>,
}

impl Upstream {
    /// The API server that a client's configuration names.
    pub(super) fn new(config: &Config) -> Result<Self> {
        let host = config.cluster_url.host().context("the server has no host")?.to_owned();
        let port = config.cluster_url.port_u16().unwrap_or(443);
        let mut roots = RootCertStore::empty();
        for certificate in config.root_cert.iter().flatten() {
            roots.add(CertificateDer::from(certificate.clone()))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            authority: format!("{host}:{port}"),
            host,
            tls: TlsConnector::from(Arc::new(tls)),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Sends a request, over an idle connection if there is one. A request that an idle connection did
    /// not take is sent over the next; one that may have been sent never is sent again.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Lease)> {
        let mut request = self.addressed(request)?;
        loop {
            let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
            let fresh = idle.is_none();
            let mut sender = match idle {
                Some(sender) => sender,
                None => self.connect().await?,
            };
            if sender.ready().await.is_err() && !fresh {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, Lease(sender))),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !fresh => request = unsent,
                    _ => return Err(error.into_error()).context("the API server gave no answer"),
                },
            }
        }
    }

    /// Takes back the connection of an answer that was read to its end.
    pub(super) fn give_back(&self, lease: Lease) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(lease.0);
        }
    }

    /// Path and query as the request line, the server as the host.
    fn addressed(&self, mut request: Request<Full<Bytes>>) -> Result<Request<Full<Bytes>>> {
        let line = request.uri().path_and_query().map_or("/", |line| line.as_str()).parse()?;
        *request.uri_mut() = line;
        request.headers_mut().insert(header::HOST, self.authority.parse()?);
        Ok(request)
    }

    async fn connect(&self) -> Result<Sender> {
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(self.host.clone())?;
        let stream = self.tls.connect(name, stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// A connection that carries an answer. Dropping it ends the connection when the answer has ended.
pub(super) struct Lease(Sender);
