//! Requests against a server on loopback that records what reached it, with a session that answers from
//! memory.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame};
use joch_core::object::{ObjectKey, ObjectRef};
use joch_core::port::{
    Change, Freshness, HttpCall, Json, KubeError, Measurement, Note, Query, Reach, SecretRef,
    SecretUse, SecretValue, Session, StartError, Started, Verdict,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpHooks as _};

use super::body::MOST;
use super::{Outgoing, Roots};
use crate::placeholders::Placeholders;

const VALUE: &str = "s3cr3t-value";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

/// Allows requests to one origin, and one Secret to the same.
struct Fake {
    origin: String,
    secret_to: String,
    value: &'static str,
    asked: Mutex<Vec<String>>,
}

fn denied() -> KubeError {
    let kind = "v1/Secret".parse().unwrap();
    let key = ObjectKey { kind, namespace: None, name: String::new() };
    let target = ObjectRef { key, uid: None };
    KubeError::Denied { verb: "get".to_owned(), target, missing_grant: "it".to_owned() }
}

#[async_trait]
impl Session for Fake {
    async fn secret(&self, _: &SecretRef, wanted: SecretUse) -> Result<SecretValue, KubeError> {
        let SecretUse::Send { origin } = wanted else { panic!("only sent: {wanted:?}") };
        self.asked.lock().unwrap().push(format!("secret to {origin}"));
        if origin == self.secret_to {
            Ok(SecretValue::from(self.value.as_bytes().to_vec()))
        } else {
            Err(denied())
        }
    }

    async fn authorize(&self, call: &HttpCall) -> Result<Reach, KubeError> {
        self.asked.lock().unwrap().push(format!("{} {}", call.method, call.origin));
        if call.origin == self.origin { Ok(Reach::Named) } else { Err(denied()) }
    }

    async fn get(&self, _: &ObjectRef, _: Freshness) -> Result<Json, KubeError> {
        unreachable!()
    }

    async fn list(&self, _: &Query, _: Freshness) -> Result<Vec<Json>, KubeError> {
        unreachable!()
    }

    async fn count(&self, _: &Query) -> Result<u64, KubeError> {
        unreachable!()
    }

    async fn write(&self, _: Change) -> Result<Json, KubeError> {
        unreachable!()
    }

    async fn report_status(&self, _: String, _: Option<i64>) -> Result<Verdict, KubeError> {
        unreachable!()
    }

    async fn start_job(&self, _: String) -> Result<Started, StartError> {
        unreachable!()
    }

    async fn publish(&self, _: Note) -> Result<(), KubeError> {
        unreachable!()
    }

    async fn measure(&self, _: Measurement) -> Result<(), KubeError> {
        unreachable!()
    }
}

/// A body of unknown length that tells when it was read to its end.
struct Told(usize, Option<oneshot::Sender<()>>);

impl Body for Told {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(left) = self.0.checked_sub(1) else {
            self.1.take().map(|end| end.send(()));
            return Poll::Ready(None);
        };
        self.0 = left;
        // Whoever reads has to come back for it.
        context.waker().wake_by_ref();
        if left % 2 == 1 { Poll::Pending } else { Poll::Ready(Some(Ok(Frame::data("x".into())))) }
    }
}

/// A server that gives one answer to every connection, and what reached it.
struct Server {
    origin: String,
    received: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &answer, &seen).await;
            }
        });
        Self { origin, received }
    }

    /// The same behind TLS for `localhost`, with the certificate that a client has to trust.
    async fn start_secure() -> (Self, CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let received: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, OK, &seen).await;
                }
            }
        });
        (Self { origin, received }, certificate)
    }

    async fn ok() -> Self {
        Self::start(OK.to_vec()).await
    }

    fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }
}

/// Takes one request and gives one answer.
async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &[u8],
    seen: &Mutex<Vec<String>>,
) {
    let mut bytes = vec![0; 64 << 10];
    let count = stream.read(&mut bytes).await.unwrap_or(0);
    let text = String::from_utf8_lossy(bytes.get(..count).unwrap()).into_owned();
    seen.lock().unwrap().push(text);
    stream.write_all(answer).await.ok();
    stream.flush().await.ok();
    // What is still sent is read, so that closing does not cut the answer off.
    while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
}

/// What one call may do and did.
struct Caller {
    outgoing: Outgoing,
    session: Arc<Fake>,
}

impl Caller {
    fn new(origin: &str, secret_to: &str, value: &'static str) -> Self {
        let session = Arc::new(Fake {
            origin: origin.to_owned(),
            secret_to: secret_to.to_owned(),
            value,
            asked: Mutex::default(),
        });
        let outgoing = Outgoing {
            session: session.clone(),
            placeholders: Placeholders::default(),
            roots: Roots::default(),
        };
        Self { outgoing, session }
    }

    fn placeholder(&mut self) -> String {
        let (name, key) = ("api".to_owned(), "token".to_owned());
        self.outgoing.placeholders.mint(SecretRef { namespace: None, name, key }).unwrap()
    }

    /// The answer's code and body.
    async fn send(&mut self, url: &str, header: &str, body: usize) -> Result<(u16, Bytes), Error> {
        let body = Full::new(Bytes::from(vec![b'x'; body])).map_err(Error::from).boxed_unsync();
        self.send_body(url, header, body).await
    }

    async fn send_body(
        &mut self,
        url: &str,
        header: &str,
        body: WasiBody,
    ) -> Result<(u16, Bytes), Error> {
        let host = url.split('/').nth(2).unwrap();
        let request: Request<WasiBody> = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header("host", host)
            .header("authorization", header)
            .body(body)
            .unwrap();
        let processed = Box::new(async { Ok(()) });
        let sent = self.outgoing.send_request(request, None, processed);
        let (response, _rest) = Box::into_pin(sent).await?;
        let code = response.status().as_u16();
        Ok((code, response.into_body().collect().await?.to_bytes()))
    }
}

#[tokio::test]
async fn the_value_arrives_in_the_place_of_its_placeholder() {
    let server = Server::ok().await;
    let mut caller = Caller::new(&server.origin, &server.origin, VALUE);
    let header = format!("Bearer {}", caller.placeholder());
    let (code, body) = caller.send(&format!("{}/a?b=c", server.origin), &header, 3).await.unwrap();
    assert_eq!((code, body.as_ref()), (200, b"hi".as_slice()));
    let received = server.received().concat();
    assert!(received.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{received}");
    assert!(received.contains(&format!("authorization: Bearer {VALUE}\r\n")), "{received}");
    assert!(!received.contains("joch-secret-"), "{received}");
}

#[tokio::test]
async fn a_host_that_is_not_granted_gets_nothing_and_no_secret_is_read_for_it() {
    let (server, other) = (Server::ok().await, Server::ok().await);
    let mut caller = Caller::new(&server.origin, &server.origin, VALUE);
    let header = caller.placeholder();
    let error = caller.send(&other.origin, &header, 0).await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestDenied), "{error:?}");
    assert!(other.received().is_empty());
    let asked = caller.session.asked.lock().unwrap().clone();
    assert_eq!(asked, [format!("POST {}", other.origin)]);
}

#[tokio::test]
async fn a_request_whose_secret_may_not_go_there_is_not_sent_at_all() {
    let server = Server::ok().await;
    let mut caller = Caller::new(&server.origin, "https://elsewhere.example.com", VALUE);
    let header = caller.placeholder();
    let error = caller.send(&server.origin, &header, 0).await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestDenied), "{error:?}");
    assert!(server.received().is_empty());
    // The same request without the placeholder is.
    caller.send(&server.origin, "none", 0).await.unwrap();
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let target = Server::ok().await;
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        target.origin
    );
    let server = Server::start(answer.into_bytes()).await;
    let mut caller = Caller::new(&server.origin, &server.origin, VALUE);
    let header = caller.placeholder();
    assert_eq!(caller.send(&server.origin, &header, 0).await.unwrap().0, 307);
    assert!(target.received().is_empty());
}

#[tokio::test]
async fn a_value_that_no_header_holds_is_named_and_not_shown() {
    let server = Server::ok().await;
    let mut caller = Caller::new(&server.origin, &server.origin, "s3cr3t-value\n");
    let header = caller.placeholder();
    let error = caller.send(&server.origin, &header, 0).await.unwrap_err().to_string();
    assert!(error.contains("\"token\" of Secret \"api\""), "{error}");
    assert!(!error.contains(VALUE), "{error}");
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn an_authority_with_a_users_name_is_not_taken_for_the_host() {
    let server = Server::ok().await;
    let mut caller = Caller::new(&server.origin, &server.origin, VALUE);
    let url = server.origin.replace("http://", "http://user@");
    let error = caller.send(&url, "none", 0).await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestDenied), "{error:?}");
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn bodies_are_bounded_both_ways() {
    let server = Server::ok().await;
    let mut caller = Caller::new(&server.origin, &server.origin, VALUE);
    assert!(caller.send(&server.origin, "none", MOST).await.is_ok());
    let error = caller.send(&server.origin, "none", MOST + 1).await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestBodySize(Some(_))), "{error:?}");

    for (size, fits) in [(MOST, true), (MOST + 1, false)] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into_bytes();
        let server = Server::start([head, vec![b'x'; size]].concat()).await;
        let mut caller = Caller::new(&server.origin, &server.origin, VALUE);
        match caller.send(&server.origin, "none", 0).await {
            Ok((_, body)) => assert!(fits && body.len() == size, "{} bytes", body.len()),
            Err(error) => {
                assert!(
                    !fits && matches!(error, Error::HttpResponseBodySize(Some(_))),
                    "{error:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_refused() {
    let server = Server::ok().await;
    let port = server.origin.rsplit(':').next().unwrap();
    // Resolvers answer such names with loopback (RFC 6761), or with nothing at all.
    let origin = format!("http://metadata.localhost:{port}");
    let mut caller = Caller::new(&origin, &origin, VALUE);
    let error = caller.send(&origin, "none", 0).await.unwrap_err();
    assert!(matches!(error, Error::DestinationIpProhibited | Error::DnsError { .. }), "{error:?}");
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let (server, certificate) = Server::start_secure().await;
    let mut caller = Caller::new(&server.origin, &server.origin, VALUE);
    caller.outgoing.roots = Roots::only(&certificate);
    let header = caller.placeholder();
    assert_eq!(caller.send(&server.origin, &header, 0).await.unwrap().0, 200);
    assert!(server.received().concat().contains(VALUE));

    let (stranger, _) = Server::start_secure().await;
    let mut caller = Caller::new(&stranger.origin, &stranger.origin, VALUE);
    caller.outgoing.roots = Roots::only(&certificate);
    let header = caller.placeholder();
    let error = caller.send(&stranger.origin, &header, 0).await.unwrap_err();
    assert!(matches!(error, Error::TlsCertificateError), "{error:?}");
    assert!(stranger.received().is_empty());
}

#[tokio::test]
async fn a_body_that_nobody_wants_is_read_to_its_end() {
    let server = Server::ok().await;
    let mut caller = Caller::new(&server.origin, &server.origin, VALUE);
    // Once the request is refused, and once it is answered after the first part.
    for (url, granted) in [("http://elsewhere.example.com", false), (&*server.origin, true)] {
        let (end, ended) = oneshot::channel();
        let body = Told(40_000, Some(end)).boxed_unsync();
        assert_eq!(caller.send_body(url, "none", body).await.is_ok(), granted, "{url}");
        ended.await.unwrap();
    }
}
