//! The host's admin server, as tests use it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use joch_core::name::Digest;
use serde::Deserialize;
use tokio::net::TcpStream;

/// What `/debug/plugins` tells.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Overview {
    /// By the file's path.
    pub files: BTreeMap<PathBuf, FileView>,
    /// By plugin and controller.
    pub controllers: Vec<ControllerView>,
}

/// One file of the plugin folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FileView {
    /// The plugin's name, if a version of the file was read.
    pub plugin: Option<String>,
    /// The live version's digest.
    pub digest: Option<String>,
    /// Why the newest bytes are not live, if they are not.
    pub refused: Option<Refusal>,
}

/// Why a version is not live.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// One sentence.
    pub reason: String,
}

/// One controller of a live plugin.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ControllerView {
    /// The plugin's name.
    pub plugin: String,
    /// The digest of the version that the next reconcile calls.
    pub digest: String,
    /// `Running`, `Resting`, or what it waits for.
    pub state: String,
}

impl Overview {
    /// The file of this name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&FileView> {
        let named = |path: &PathBuf| path.file_name().is_some_and(|file| file == name);
        self.files.iter().find(|(path, _)| named(path)).map(|(_, view)| view)
    }

    /// Whether all controllers of `plugin`, and there is one, run this version.
    #[must_use]
    pub fn runs(&self, plugin: &str, digest: &Digest) -> bool {
        let digest = digest.to_string();
        let mut own = self.controllers.iter().filter(|view| view.plugin == plugin).peekable();
        let live = |view: &ControllerView| ["Running", "Resting"].contains(&view.state.as_str());
        own.peek().is_some() && own.all(|view| view.digest == digest && live(view))
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

pub(super) async fn plugins(address: &str) -> Result<Overview> {
    let (code, body) = get(address, "/debug/plugins").await?;
    ensure!(code == 200, "/debug/plugins answers {code}: {body}");
    serde_json::from_str(&body).with_context(|| format!("not the agreed form: {body}"))
}

/// The greatest number of a metric in a page of metrics.
pub(super) fn most(page: &str, metric: &str) -> Option<f64> {
    let lines = page.lines().filter_map(|line| line.strip_prefix(metric));
    let own = lines.filter(|rest| rest.starts_with(['{', ' ']));
    own.filter_map(|rest| rest.rsplit(' ').next()?.parse().ok()).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_number_of_a_metric_is_found_and_of_no_other() {
        let page = "# TYPE a gauge\na{p=\"x y\"} 1\na{p=\"z\"} 3\na_more 9\nb 2\n";
        assert_eq!(
            [most(page, "a"), most(page, "b"), most(page, "c")],
            [Some(3.0), Some(2.0), None]
        );
    }

    #[test]
    fn a_plugin_runs_a_version_when_all_its_controllers_do() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let view = |digest: &Digest, state: &str| ControllerView {
            plugin: "p".to_owned(),
            digest: digest.to_string(),
            state: state.to_owned(),
        };
        for (controllers, expected) in [
            (vec![view(&a, "Running"), view(&a, "Resting")], true),
            (vec![view(&a, "Running"), view(&b, "Running")], false),
            (vec![view(&a, "Syncing")], false),
            (vec![], false),
        ] {
            let overview = Overview { files: BTreeMap::new(), controllers };
            assert_eq!(overview.runs("p", &a), expected, "{overview:?}");
        }
    }
}
