//! What is remembered of the calls to the fake host.

use serde_json::Value;

use crate::{Level, Severity};

/// Everything that is recorded besides writes.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) jobs: Vec<Value>,
    pub(crate) events: Vec<Event>,
    pub(crate) lines: Vec<Line>,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) secrets: Vec<SecretUse>,
}

/// An Event about the object that was reconciled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What kind of news.
    pub severity: Severity,
    /// The one word.
    pub reason: String,
    /// The sentence.
    pub message: String,
}

/// A log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How important.
    pub level: Level,
    /// The message.
    pub message: String,
    /// Names and values.
    pub fields: Vec<(String, String)>,
}

/// One number for a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// The metric's name.
    pub metric: String,
    /// Names and values of the labels.
    pub labels: Vec<(String, String)>,
    /// What was added to a counter, set, or put into a histogram.
    pub value: f64,
}

/// One value of a Secret that the controller was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUse {
    /// The Secret, as `namespace/name`.
    pub secret: String,
    /// Which of its values.
    pub key: String,
    /// Whether the value itself was given, not a placeholder.
    pub revealed: bool,
}
