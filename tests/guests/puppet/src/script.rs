//! The script: host calls as data.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The object that is reconciled, of whichever kind.
#[derive(Debug, Deserialize)]
pub(crate) struct Puppet {
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) spec: Spec,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    #[serde(default)]
    pub(crate) generation: i64,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Spec {
    /// What a reconcile does.
    #[serde(default)]
    pub(crate) script: Vec<Step>,
    /// What is done when the object is being deleted, if the manifest names a finalizer.
    #[serde(default)]
    pub(crate) finalize: Vec<Step>,
}

/// One call, so many times.
#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    #[serde(default = "once")]
    pub(crate) times: u32,
    #[serde(flatten)]
    pub(crate) call: Call,
}

fn once() -> u32 {
    1
}

/// One host call, or an end of the guest's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Call {
    Get(Get),
    List(List),
    Count(List),
    Create(Write),
    Apply(Write),
    Merge(Write),
    JsonPatch(Write),
    Delete(Write),
    Report(Report),
    StartJob(Value),
    Event(Text),
    Log(Text),
    Config(Empty),
    Placeholder(Secret),
    Reveal(Secret),
    Metric(Metric),
    /// Ends the reconcile well, to be called again after so many milliseconds.
    Requeue(u64),
    Fail(Fail),
    Panic(String),
    /// Computes for ever.
    Spin(Empty),
    /// Calls itself for ever.
    Recurse(Empty),
    /// Takes so many bytes of memory and keeps them.
    Allocate(usize),
    /// Ends the process that the guest believes to be.
    Exit(i32),
    /// Makes so many queries and drops none.
    Hoard(u32),
}

impl Call {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Get(_) => "get",
            Self::List(_) => "list",
            Self::Count(_) => "count",
            Self::Create(_) => "create",
            Self::Apply(_) => "apply",
            Self::Merge(_) => "merge",
            Self::JsonPatch(_) => "jsonPatch",
            Self::Delete(_) => "delete",
            Self::Report(_) => "report",
            Self::StartJob(_) => "startJob",
            Self::Event(_) => "event",
            Self::Log(_) => "log",
            Self::Config(_) => "config",
            Self::Placeholder(_) => "placeholder",
            Self::Reveal(_) => "reveal",
            Self::Metric(_) => "metric",
            Self::Requeue(_) => "requeue",
            Self::Fail(_) => "fail",
            Self::Panic(_) => "panic",
            Self::Spin(_) => "spin",
            Self::Recurse(_) => "recurse",
            Self::Allocate(_) => "allocate",
            Self::Exit(_) => "exit",
            Self::Hoard(_) => "hoard",
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Empty {}

/// Which object: `batch/v1/Job`, and a name; by default in the namespace of the object reconciled.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    /// The kind lives in no namespace.
    #[serde(default)]
    pub(crate) cluster: bool,
    pub(crate) uid: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Fresh {
    Cached,
    #[default]
    Confirmed,
    Live,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Get {
    #[serde(flatten)]
    pub(crate) target: Target,
    #[serde(default)]
    pub(crate) fresh: Fresh,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List {
    pub(crate) kind: String,
    pub(crate) namespace: Option<String>,
    #[serde(default)]
    pub(crate) all_namespaces: bool,
    pub(crate) labels: Option<String>,
    pub(crate) owned_by: Option<String>,
    /// Those that the object reconciled owns.
    #[serde(default)]
    pub(crate) owned: bool,
    #[serde(default)]
    pub(crate) fields: Vec<String>,
    #[serde(default)]
    pub(crate) metadata_only: bool,
    #[serde(default)]
    pub(crate) fresh: Fresh,
    /// How many objects are asked for at once.
    #[serde(default = "hundred")]
    pub(crate) batch: u32,
    /// Performed after the first batch was handed out.
    #[serde(default)]
    pub(crate) during: Vec<Step>,
}

fn hundred() -> u32 {
    100
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Write {
    #[serde(flatten)]
    pub(crate) target: Target,
    #[serde(default)]
    pub(crate) body: Value,
    pub(crate) subresource: Option<String>,
    pub(crate) if_version: Option<String>,
    #[serde(default)]
    pub(crate) force: bool,
    #[serde(default)]
    pub(crate) owned: bool,
    /// For deletions.
    pub(crate) propagation: Option<String>,
    /// Sets `data` to one text of so many bytes.
    pub(crate) pad: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    #[serde(default)]
    pub(crate) status: Value,
    pub(crate) observed_generation: Option<i64>,
}

/// An Event or log lines. `length` repeats the message's last character up to so many bytes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Text {
    #[serde(default)]
    pub(crate) reason: String,
    pub(crate) message: String,
    /// `Normal` or `Warning` for an Event; `debug`, `info` and so on for a line.
    #[serde(default)]
    pub(crate) level: String,
    pub(crate) length: Option<usize>,
    /// How many log lines.
    #[serde(default = "once")]
    pub(crate) lines: u32,
    #[serde(default)]
    pub(crate) fields: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Secret {
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    pub(crate) key: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Metric {
    /// `add`, `set` or `observe`.
    pub(crate) how: String,
    pub(crate) name: String,
    pub(crate) value: f64,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fail {
    #[serde(default)]
    pub(crate) permanent: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) retry_after_ms: Option<u64>,
}
