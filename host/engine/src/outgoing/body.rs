//! The bodies of one exchange: bounded, and a request's is read to its end whatever becomes of the request.

use std::error::Error as StdError;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, SizeHint};
use tokio::runtime::Handle;
use wasmtime_wasi_http::{Error, WasiBody};

/// Bytes of a request's body, and of a response's.
pub(super) const MOST: usize = 8 << 20;

/// A body that ends with an error once it is longer than [`MOST`].
pub(super) fn bounded(
    body: impl BodyExt<Data = Bytes, Error = Error> + Send + 'static,
    too_long: impl Fn(Option<u64>) -> Error + Send + 'static,
) -> WasiBody {
    let limit = u64::try_from(MOST).ok();
    let error = move |error: Box<dyn StdError + Send + Sync>| match error.downcast() {
        Ok(error) => *error,
        Err(_) => too_long(limit),
    };
    Limited::new(body, MOST).map_err(error).boxed_unsync()
}

/// A request's body that is read to its end even if nobody wants it any more: because the request is
/// refused, or the server answers without it. Otherwise a guest that still writes would see a broken
/// stream instead of the refusal or the answer. What is left ends with the guest's side at the latest.
pub(super) struct Patient(Option<WasiBody>);

impl Patient {
    /// Bounds a request's body, and reads it to its end.
    pub(super) fn new(body: WasiBody) -> Self {
        Self(Some(bounded(body, Error::HttpRequestBodySize)))
    }
}

impl Body for Patient {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        if let (Some(mut body), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move { while let Some(Ok(_)) = body.frame().await {} });
        }
    }
}
