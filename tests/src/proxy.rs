//! A proxy between the host and the real API server: it records what passes, and injects faults.
//!
//! # Guarantees
//! - A request that has arrived whole is sent on and recorded even if its sender is gone meanwhile, as
//!   a network would do: a host that is killed cannot take a request back.
//! - A request that has not arrived whole is neither sent on nor recorded.
//! - Watches are streamed event by event.
//!
//! # Caveats
//! Speaks HTTP/1.1 without TLS towards the host; upgraded connections (exec, logs) are not for it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

mod faults;
mod record;
mod request;
mod upstream;

pub use faults::Faults;
pub use record::{Entry, Record};
pub use request::ApiRequest;
use upstream::Upstream;

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Action {
    /// It is sent on.
    #[default]
    Pass,
    /// It is answered with this status code, and not sent on.
    Status(u16),
    /// It is sent on after this time.
    Delay(Duration),
    /// It is sent on twice, one after the other; the first answer is returned.
    Double,
}

/// Decides about each request; called once for each, in the order of arrival.
pub type Inject = dyn Fn(&ApiRequest) -> Action + Send + Sync;

type Body = BoxBody<Bytes, hyper::Error>;

/// A running proxy; it ends when this value is dropped.
pub struct Proxy {
    address: SocketAddr,
    access: Kubeconfig,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    upstream: Upstream,
    record: Record,
    inject: Box<Inject>,
}

impl Proxy {
    /// Starts a proxy in front of the API server that `access` names.
    ///
    /// # Errors
    /// If the kubeconfig lacks a server or an authority, or no port is free.
    pub async fn start(
        access: Kubeconfig,
        inject: impl Fn(&ApiRequest) -> Action + Send + Sync + 'static,
    ) -> Result<Self> {
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(access.clone(), &options).await?;
        let upstream = Upstream::new(&config)?;
        let record = Record::default();
        let shared = Arc::new(Shared { upstream, record, inject: Box::new(inject) });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { address, access, shared, task })
    }

    /// What has passed so far.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.shared.record
    }

    /// The kubeconfig of the API server, led through the proxy.
    #[must_use]
    pub fn access(&self) -> Kubeconfig {
        let mut access = self.access.clone();
        for cluster in access.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            cluster.server = Some(format!("http://{}", self.address));
            cluster.certificate_authority_data = None;
        }
        access
    }

    /// Writes [`Self::access`] to a file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_kubeconfig(&self, path: &Path) -> Result<()> {
        let text = serde_norway::to_string(&self.access())?;
        std::fs::write(path, text).with_context(|| format!("cannot write {path:?}"))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Ends with its connections when the proxy is dropped: the set is dropped with this future.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    stream.set_nodelay(true).ok();
    let service = service_fn(|request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(handle(shared, request).await) }
    });
    // An error here is a client that went away.
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return refusal(400, "the request did not arrive whole");
    };
    let request = Request::from_parts(parts, body.to_bytes());
    // In a task of its own: if the client goes away, this function is dropped, the task is not.
    let answer = tokio::spawn(async move { shared.pass(request).await }).await;
    match answer {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => refusal(502, &format!("{error:#}")),
        Err(error) => refusal(502, &error.to_string()),
    }
}

impl Shared {
    async fn pass(&self, request: Request<Bytes>) -> Result<Response<Body>> {
        let what = ApiRequest::parse(request.method(), request.uri());
        let number = self.record.arrived(&what, request.body());
        match (self.inject)(&what) {
            Action::Pass => self.forward(number, &what, request).await,
            Action::Delay(time) => {
                tokio::time::sleep(time).await;
                self.forward(number, &what, request).await
            }
            Action::Double => {
                let first = self.forward(number, &what, request.clone()).await;
                let second = self.record.arrived(&what, request.body());
                self.forward(second, &what, request).await?;
                first
            }
            Action::Status(code) => {
                self.record.answered(number, code, b"");
                Ok(refusal(code, "injected"))
            }
        }
    }

    async fn forward(
        &self,
        number: usize,
        what: &ApiRequest,
        request: Request<Bytes>,
    ) -> Result<Response<Body>> {
        let mut request = request.map(Full::new);
        // Recorded answers have to be readable.
        request.headers_mut().remove(header::ACCEPT_ENCODING);
        let (response, lease) = self.upstream.send(request).await?;
        let code = response.status().as_u16();
        if what.is_watch() {
            self.record.answered(number, code, b"");
            return Ok(response.map(|body| body.boxed()));
        }
        let (mut parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        self.upstream.give_back(lease);
        self.record.answered(number, code, &body);
        parts.headers.remove(header::TRANSFER_ENCODING);
        Ok(Response::from_parts(parts, whole(body)))
    }
}

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed()
}

/// An answer of the proxy's own, in the API server's form.
fn refusal(code: u16, message: &str) -> Response<Body> {
    let reason = match code {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure",
        "code": code, "reason": reason, "message": format!("joch-tests proxy: {message}"),
    });
    let mut response = Response::new(whole(status.to_string().into()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
