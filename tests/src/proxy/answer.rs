//! Answers of the proxy: passed on, its own, or damaged.

use std::io;
use std::time::Duration;

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::action::Disturbance;

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What comes back to the one who asked.
pub(super) enum Answer {
    /// A response.
    Response(Response<Body>),
    /// A connection that is cut.
    Cut,
    /// Nothing.
    Never,
}

/// A body that is complete.
pub(super) fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

/// Half of a body, and then the end of the connection, though the length of all of it is promised.
pub(super) fn half(response: Response<Bytes>) -> Result<Response<Body>> {
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::CONTENT_LENGTH, body.len().to_string().parse()?);
    let half = body.slice(..body.len() / 2);
    let frames = futures::stream::iter([Ok(half), Err(cut())]);
    Ok(Response::from_parts(parts, streamed(frames)))
}

/// A watch's answer, disturbed if that is wanted.
pub(super) fn watch(response: Response<Incoming>, how: Option<Disturbance>) -> Response<Body> {
    response.map(|body| {
        let frames = body.into_data_stream().map(|frame| frame.map_err(io::Error::other));
        match how {
            None => streamed(frames),
            Some(Disturbance::CutAfter(time)) => {
                let deadline = Instant::now() + time;
                let end = futures::stream::once(async { Err(cut()) });
                let until = frames.take_until(tokio::time::sleep_until(deadline));
                streamed(until.chain(end))
            }
            Some(Disturbance::Stall) => {
                streamed(futures::stream::once(async move {
                    // The connection to the API server stays open too.
                    let _open = frames;
                    std::future::pending().await
                }))
            }
            Some(Disturbance::Expired) => {
                streamed(futures::stream::iter([Ok(Bytes::from(expired()))]))
            }
            Some(Disturbance::NoBookmarks) => streamed(without_bookmarks(frames)),
            Some(Disturbance::Hold(time)) => streamed(held(frames, time)),
        }
    })
}

/// An answer of the proxy's own, in the API server's form.
pub(super) fn refusal(code: u16, message: &str, retry: Option<u32>) -> Response<Body> {
    let mut status = status(code, message);
    if let (Some(seconds), Some(fields)) = (retry, status.as_object_mut()) {
        fields.insert("details".to_owned(), json!({ "retryAfterSeconds": seconds }));
    }
    let mut response = Response::new(whole(status.to_string().into()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = retry {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn status(code: u16, message: &str) -> serde_json::Value {
    let reason = match code {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": format!("joch-tests proxy: {message}"),
    })
}

fn expired() -> String {
    format!("{}\n", json!({"type": "ERROR", "object": status(410, "too old resource version")}))
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "cut by the proxy")
}

fn streamed(frames: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    StreamBody::new(frames.map(|frame| frame.map(Frame::data))).boxed_unsync()
}

/// The lines of a watch but those of bookmarks.
fn without_bookmarks(
    frames: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let mut rest = BytesMut::new();
    frames.map(move |frame| {
        rest.extend_from_slice(&frame?);
        let mut kept = BytesMut::new();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = rest.split_to(end + 1);
            if !line.starts_with(br#"{"type":"BOOKMARK""#) {
                kept.extend_from_slice(&line);
            }
        }
        Ok(kept.freeze())
    })
}

/// The same, each part so much later.
fn held(
    frames: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    time: Duration,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(1024);
    tokio::spawn(async move {
        let mut frames = std::pin::pin!(frames);
        while let Some(frame) = frames.next().await {
            if sender.send((Instant::now() + time, frame)).await.is_err() {
                return;
            }
        }
    });
    futures::stream::unfold(receiver, |mut receiver| async move {
        let (at, frame) = receiver.recv().await?;
        tokio::time::sleep_until(at).await;
        Some((frame, receiver))
    })
}
