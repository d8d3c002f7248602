//! A proxy between the host and the real API server: it records what passes, and injects faults.
//!
//! # Guarantees
//! - A request that has arrived whole is sent on and recorded even if its sender is gone meanwhile, as
//!   a network would do: a host that is killed cannot take a request back.
//! - A request that has not arrived whole is neither sent on nor recorded.
//! - Watches are streamed event by event.
//! - A request that is swallowed or cut is recorded too, without an answer if it was not sent on.
//!
//! # Caveats
//! Speaks HTTP/1.1 without TLS towards the host; upgraded connections (exec, logs) are not for it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

mod action;
mod answer;
mod faults;
mod record;
mod request;
mod upstream;

pub use action::{Action, Disturbance};
use answer::{Answer, Body, half, refusal, whole};
pub use faults::Faults;
pub use record::{Entry, Record};
pub use request::ApiRequest;
use upstream::Upstream;

/// Decides about each request; called once for each, in the order of arrival.
pub type Inject = dyn Fn(&ApiRequest) -> Action + Send + Sync;

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
        async move { handle(shared, request).await }
    });
    // An error here is a client that went away.
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(refusal(400, "the request did not arrive whole", None));
    };
    let request = Request::from_parts(parts, body.to_bytes());
    // In a task of its own: if the client goes away, this function is dropped, the task is not.
    let answer = tokio::spawn(async move { shared.pass(request).await }).await;
    match answer {
        Ok(Ok(Answer::Response(response))) => Ok(response),
        Ok(Ok(Answer::Cut)) => Err(io::Error::other("the connection is cut")),
        Ok(Ok(Answer::Never)) => std::future::pending().await,
        Ok(Err(error)) => Ok(refusal(502, &format!("{error:#}"), None)),
        Err(error) => Ok(refusal(502, &error.to_string(), None)),
    }
}

impl Shared {
    async fn pass(&self, request: Request<Bytes>) -> Result<Answer> {
        let what = ApiRequest::of(&request);
        let number = self.record.arrived(&what, request.body());
        let refuse = |code, retry| {
            self.record.answered(number, code, b"");
            Ok(Answer::Response(refusal(code, "injected", retry)))
        };
        match (self.inject)(&what) {
            Action::Status(code) => return refuse(code, None),
            Action::Busy(seconds) => return refuse(429, Some(seconds)),
            Action::Cut => return Ok(Answer::Cut),
            Action::Swallow => return Ok(Answer::Never),
            Action::Watch(how) if what.is_watch() => {
                return self.watch(number, request, Some(how)).await;
            }
            Action::Delay(time) => tokio::time::sleep(time).await,
            Action::HalfBody if !what.is_watch() => {
                return Ok(Answer::Response(half(self.forward(number, request).await?)?));
            }
            Action::LoseAnswer if !what.is_watch() => {
                return self.forward(number, request).await.map(|_| Answer::Cut);
            }
            Action::SwallowAnswer if !what.is_watch() => {
                return self.forward(number, request).await.map(|_| Answer::Never);
            }
            Action::Double => {
                let first = self.forward(number, request.clone()).await?;
                let second = self.record.arrived(&what, request.body());
                self.forward(second, request).await?;
                return Ok(Answer::Response(first.map(whole)));
            }
            _ => {}
        }
        if what.is_watch() {
            return self.watch(number, request, None).await;
        }
        Ok(Answer::Response(self.forward(number, request).await?.map(whole)))
    }

    async fn watch(
        &self,
        number: usize,
        request: Request<Bytes>,
        how: Option<Disturbance>,
    ) -> Result<Answer> {
        let (response, _lease) = self.upstream.send(readable(request)).await?;
        self.record.answered(number, response.status().as_u16(), b"");
        Ok(Answer::Response(answer::watch(response, how)))
    }

    async fn forward(&self, number: usize, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let (response, lease) = self.upstream.send(readable(request)).await?;
        let code = response.status().as_u16();
        let (mut parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        self.upstream.give_back(lease);
        self.record.answered(number, code, &body);
        parts.headers.remove(header::TRANSFER_ENCODING);
        Ok(Response::from_parts(parts, body))
    }
}

/// The request as it is sent on: recorded and damaged answers have to be readable.
fn readable(request: Request<Bytes>) -> Request<Full<Bytes>> {
    let mut request = request.map(Full::new);
    request.headers_mut().remove(header::ACCEPT_ENCODING);
    request
}
