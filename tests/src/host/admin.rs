//! The host's admin server, as tests use it.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use joch_core::name::Digest;
use serde_json::Value;
use tokio::net::TcpStream;

/// What `/debug/plugins` tells about one plugin.
#[derive(Debug, Clone)]
pub struct PluginView {
    /// Its name.
    pub name: String,
    /// Everything that is told.
    pub raw: Value,
}

impl PluginView {
    /// Whether its active version has this digest, in whichever length it is told.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        let told = self.raw.get("digest").and_then(Value::as_str).unwrap_or_default();
        let told = told.strip_prefix("sha256:").unwrap_or(told);
        told.len() >= 12 && digest.hex().starts_with(told)
    }

    /// Whether anything that is told contains this text.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        self.raw.to_string().contains(text)
    }
}

/// Asks for one path; the answer's code and body.
pub(super) async fn get(address: &str, path: &str) -> Result<(u16, String)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = http::Request::get(path).header("host", address).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let code = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((code, String::from_utf8_lossy(&body).into_owned()))
}

pub(super) async fn plugins(address: &str) -> Result<Vec<PluginView>> {
    let (code, body) = get(address, "/debug/plugins").await?;
    ensure!(code == 200, "/debug/plugins answers {code}: {body}");
    parse(&body)
}

/// A list, bare or under `plugins`.
fn parse(body: &str) -> Result<Vec<PluginView>> {
    let value: Value = serde_json::from_str(body).with_context(|| format!("no JSON: {body}"))?;
    let list = value.get("plugins").unwrap_or(&value);
    let list = list.as_array().with_context(|| format!("no list of plugins: {body}"))?;
    let view = |raw: &Value| PluginView {
        name: raw.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        raw: raw.clone(),
    };
    Ok(list.iter().map(view).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_recognised_short_and_long() {
        let digest = Digest::of(b"abc");
        for (told, expected) in [
            (digest.to_string(), true),
            (digest.short(), true),
            (digest.hex().split_at(3).0.to_owned(), false),
            (Digest::of(b"d").to_string(), false),
        ] {
            let body = serde_json::json!({"plugins": [{"name": "p", "digest": told}]}).to_string();
            let views = parse(&body).unwrap();
            assert_eq!(views[0].has(&digest), expected, "{told}");
        }
    }
}
