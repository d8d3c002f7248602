//! Outgoing HTTP of one call: every request is authorised, filled in with Secrets, and sent by the host.
//!
//! # Guarantees
//! - Nothing is sent that the session does not allow; a redirect is an answer like any other, and following
//!   it is a request of its own.
//! - A placeholder becomes a value only after the request is allowed, and only if the Secret may go to that
//!   very origin; otherwise nothing is sent. The guest's memory never holds the value.
//! - Addresses of this machine, its link and its cloud's metadata are not connected to, whatever a name
//!   resolves to; see [`address`].
//! - A request ends with its call at the latest: what the guest does not wait for is cut off.
//!
//! Assumes that the server is trusted with the value: what it answers, the value included, the guest reads.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use joch_core::port::{HttpCall, KubeError, Session};
use tracing::Instrument as _;
use wasmtime_wasi::runtime;
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks};

use crate::placeholders::Placeholders;

use body::{Patient, bounded};

mod address;
mod body;
mod dial;
mod fill;

pub(crate) use dial::Roots;

/// How long a connection may take if the guest does not say.
const CONNECT: Duration = Duration::from_secs(30);

/// The rest of an exchange after the response's head; wasmtime polls it while the guest reads.
type Rest = Box<dyn Future<Output = Result<()>> + Send>;
type Answer = Result<(Response<WasiBody>, Rest)>;

/// What the requests of one call work with.
pub(crate) struct Outgoing {
    pub(crate) session: Arc<dyn Session>,
    pub(crate) placeholders: Placeholders,
    pub(crate) roots: Roots,
}

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Rest,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let (session, roots) = (Arc::clone(&self.session), self.roots.clone());
        let filled = self.placeholders.in_headers(request.headers());
        let request = request.map(Patient::new);
        let exchange = async move {
            let call = call(&request)?;
            let reach = session.authorize(&call).await.map_err(refused)?;
            let request = fill::fill(request, filled.map_err(refused)?, &call, &*session).await?;
            let limits = options.unwrap_or_default();
            let connect = dial::connect(request.uri(), reach, &roots);
            let connected =
                tokio::time::timeout(limits.connect_timeout.unwrap_or(CONNECT), connect).await;
            let stream = connected.map_err(|_| Error::ConnectionTimeout)??;
            let exchange = exchange(request, stream);
            match limits.first_byte_timeout {
                Some(limit) => tokio::time::timeout(limit, exchange)
                    .await
                    .map_err(|_| Error::ConnectionReadTimeout)?,
                None => exchange.await,
            }
        };
        Box::new(exchange.in_current_span())
    }
}

/// Sends the request on a connection of its own, and takes the response's head.
async fn exchange(mut request: Request<Patient>, stream: dial::Stream) -> Answer {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    // Ends with the response that holds it.
    let connection = runtime::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an outgoing connection broke");
        }
    });
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    *request.uri_mut() = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
    let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let response = response
        .map(|body| bounded(body.map_err(|error| broken(&error)), Error::HttpResponseBodySize));
    let rest = async move {
        connection.await;
        Ok(())
    };
    Ok((response, Box::new(rest)))
}

/// The request as far as the authority is concerned.
fn call<B>(request: &Request<B>) -> Result<HttpCall> {
    let authority = request.uri().authority().ok_or(Error::HttpRequestUriInvalid)?;
    let scheme = request.uri().scheme_str().unwrap_or("https");
    Ok(HttpCall {
        method: request.method().as_str().to_owned(),
        // With the whole authority, so that one that carries a user's name is seen and refused.
        origin: format!("{scheme}://{authority}"),
    })
}

/// What the guest is told about a request that was not sent.
fn refused(error: KubeError) -> Error {
    match error {
        KubeError::Denied { .. } => Error::HttpRequestDenied,
        other => Error::InternalError(Some(other.to_string())),
    }
}

/// What the guest is told about an exchange that failed.
fn broken(error: &hyper::Error) -> Error {
    tracing::debug!(%error, "an outgoing request failed");
    // An error of the request's own body says itself what it is.
    let own = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>());
    match own {
        Some(Error::HttpRequestBodySize(size)) => Error::HttpRequestBodySize(*size),
        _ if error.is_incomplete_message() || error.is_canceled() => Error::ConnectionTerminated,
        _ => Error::HttpProtocolError,
    }
}

#[cfg(test)]
mod tests;
