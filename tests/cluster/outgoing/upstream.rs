//! A web server of the test's own on loopback, which records what reaches it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// A request that reached the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) authorization: String,
    pub(super) length: usize,
}

/// The server; it ends with the test's process.
pub(super) struct Upstream {
    /// `http://127.0.0.1:port`.
    pub(super) origin: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    /// Starts it. `/to?URL` redirects there, `/never` does not answer, `/big?N` answers with N bytes,
    /// anything else with `hello`.
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let record = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, record.clone()));
            }
        });
        Ok(Self { origin, seen })
    }

    /// What has reached it so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().map(|seen| seen.clone()).unwrap_or_default()
    }

    /// The values of the header `authorization` that have reached it so far.
    pub(super) fn authorizations(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.authorization).collect()
    }
}

async fn serve(stream: TcpStream, seen: Arc<Mutex<Vec<Seen>>>) {
    let service = service_fn(|request| answer(request, seen.clone()));
    let server = hyper::server::conn::http1::Builder::new();
    // A client that goes away in the middle is part of the tests.
    server.serve_connection(TokioIo::new(stream), service).await.ok();
}

async fn answer(
    request: Request<Incoming>,
    seen: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let length = body.collect().await.map_or(usize::MAX, |body| body.to_bytes().len());
    let authorization =
        head.headers.get("authorization").map_or(&b""[..], |value| value.as_bytes());
    let record = Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        authorization: String::from_utf8_lossy(authorization).into_owned(),
        length,
    };
    if let Ok(mut seen) = seen.lock() {
        seen.push(record);
    }
    let query = head.uri.query().unwrap_or_default();
    let mut response = Response::new(Full::from("hello"));
    match head.uri.path() {
        "/to" => {
            *response.status_mut() = http::StatusCode::TEMPORARY_REDIRECT;
            if let Ok(location) = query.parse() {
                response.headers_mut().insert("location", location);
            }
        }
        "/never" => std::future::pending().await,
        "/big" => *response.body_mut() = Full::from(vec![b'x'; query.parse().unwrap_or(0)]),
        _ => {}
    }
    Ok(response)
}
