//! The fence in front of the socket (G9): a request that carries a tenure is handed over only while the
//! tenure is open. It is asked each time before the request gets further on its way, so also after it
//! waited for a connection, or after the process was stopped.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{FutureExt as _, poll_fn};
use http::Request;
use joch_core::lease::Tenure;
use kube::Client;
use kube::client::Body;
use tower::{BoxError, Layer, Service, service_fn};

/// The plugin belongs to another replica by now, or this one could not renew its Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request was held back: this replica may not write for the plugin at the moment")]
pub(crate) struct Fenced;

/// A clock that goes on while the process is stopped and while the machine sleeps.
pub(crate) fn clock() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanos)
}

/// A client whose requests are sent while `tenure` is open, and refused with [`Fenced`] otherwise.
/// `client` has to be made with [`FenceLayer`]. Reads are held back as writes are.
pub(crate) fn fenced(client: &Client, tenure: Tenure) -> Client {
    let namespace = client.default_namespace().to_owned();
    let inner = client.clone();
    let send = move |mut request: Request<Body>| {
        request.extensions_mut().insert(tenure.clone());
        let client = inner.clone();
        async move { client.send(request).await }
    };
    Client::new(service_fn(send), namespace)
}

/// Puts the fence in front of a client's service.
pub(crate) struct FenceLayer;

impl<S> Layer<S> for FenceLayer {
    type Service = Fence<S>;

    fn layer(&self, inner: S) -> Fence<S> {
        Fence { inner }
    }
}

/// A service behind the fence.
pub(crate) struct Fence<S> {
    inner: S,
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

impl<S> Service<Request<Body>> for Fence<S>
where
    S: Service<Request<Body>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Answer<S::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Answer<S::Response> {
        let tenure = request.extensions().get::<Tenure>().cloned();
        if tenure.as_ref().is_some_and(|tenure| !tenure.is_open(clock())) {
            return futures::future::ready(Err(Fenced.into())).boxed();
        }
        let mut answer = Box::pin(self.inner.call(request));
        let Some(tenure) = tenure else {
            return async move { answer.await.map_err(Into::into) }.boxed();
        };
        // A request that is on the wire already cannot be taken back: then its answer is not waited for, and
        // it carries what makes a late one harmless (a resourceVersion, a uid, a name that is its own).
        poll_fn(move |cx| {
            if tenure.is_open(clock()) {
                answer.as_mut().poll(cx).map_err(Into::into)
            } else {
                Poll::Ready(Err(Fenced.into()))
            }
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A client whose requests are counted instead of sent, and one of it behind a tenure.
    fn clients(tenure: &Tenure) -> (Arc<AtomicUsize>, Client, Client) {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = sent.clone();
        let service = service_fn(move |_: Request<Body>| {
            count.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, BoxError>(http::Response::new(Body::from(b"{}".to_vec()))) }
        });
        let client = Client::new(FenceLayer.layer(service), "default");
        let behind = fenced(&client, tenure.clone());
        (sent, client, behind)
    }

    fn request() -> Request<Body> {
        Request::new(Body::empty())
    }

    #[tokio::test]
    async fn nothing_is_sent_behind_a_closed_tenure() {
        let (sent, plain, behind) = clients(&Tenure::closed());
        let error = behind.send(request()).await.unwrap_err();
        let kube::Error::Service(error) = error else { panic!("{error}") };
        assert!(error.is::<Fenced>(), "{error}");
        assert_eq!(sent.load(Ordering::Relaxed), 0);
        plain.send(request()).await.unwrap();
        assert_eq!(sent.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_open_tenure_lets_requests_through() {
        let (sent, _, behind) = clients(&Tenure::unbounded());
        behind.send(request()).await.unwrap();
        assert_eq!(sent.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_clock_goes_on() {
        let before = clock();
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock() > before && before > Duration::ZERO);
    }
}
