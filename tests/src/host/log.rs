//! The host's log: JSON lines, of which tests read what each reconcile tells about itself.
//!
//! Contract: one line `reconcile started` and one `reconcile finished` per reconcile, with `plugin`,
//! `controller`, `key`, `digest` and `reconcile_id`; the order of the lines is the order of the events.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// One line of a log, with its fields, wherever the format puts them.
#[derive(Debug, Clone, PartialEq)]
pub struct Line(Value);

impl Line {
    /// Reads a line; none if it is no JSON object.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        value.is_object().then_some(Self(value))
    }

    /// A field's text, or a number's: at the top, under `fields` or in the span.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let places = [Some(&self.0), self.0.get("fields"), self.0.get("span")];
        let value = places.into_iter().flatten().find_map(|place| place.get(name))?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> String {
        self.text("message").unwrap_or_default()
    }

    /// `ERROR`, `WARN`, …
    #[must_use]
    pub fn level(&self) -> String {
        self.text("level").unwrap_or_default()
    }

    /// Whether anything in the line contains this text.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        self.0.to_string().contains(text)
    }
}

/// What a line tells about a reconcile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconcile {
    /// Whether it starts or finishes.
    pub step: Step,
    /// Plugin, controller and key: what is never reconciled twice at once.
    pub key: String,
    /// The version that runs.
    pub digest: String,
    /// Which reconcile; unique within one start of the host.
    pub id: String,
    /// What came out, on finishing.
    pub outcome: String,
}

/// The two ends of a reconcile, and the end of the process in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The guest is about to be called.
    Started,
    /// The guest has answered or was stopped, and its writes are known.
    Finished,
}

impl Reconcile {
    fn of(line: &Line) -> Option<Self> {
        let step = match line.message().as_str() {
            "reconcile started" => Step::Started,
            "reconcile finished" => Step::Finished,
            _ => return None,
        };
        let text = |name: &str| line.text(name).unwrap_or_default();
        let key = format!("{}/{} {}", text("plugin"), text("controller"), text("key"));
        let (digest, id, outcome) = (text("digest"), text("reconcile_id"), text("outcome"));
        Some(Self { step, key, digest, id, outcome })
    }
}

/// The logs of a host, one per start.
#[derive(Debug, Clone, Default)]
pub struct Log(pub Vec<Vec<Line>>);

impl Log {
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self> {
        let read = |path: &PathBuf| {
            let text = std::fs::read(path).with_context(|| format!("cannot read {path:?}"))?;
            Ok(String::from_utf8_lossy(&text).lines().filter_map(Line::parse).collect())
        };
        Ok(Self(paths.iter().map(read).collect::<Result<_>>()?))
    }

    /// All lines of all starts.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.0.iter().flatten()
    }

    /// What each start of the host tells about reconciles.
    #[must_use]
    pub fn reconciles(&self) -> Vec<Vec<Reconcile>> {
        self.0.iter().map(|lines| lines.iter().filter_map(Reconcile::of).collect()).collect()
    }

    /// How many reconciles of each object (`Task ns/name`) have finished, whoever's they were.
    #[must_use]
    pub fn finished_by_key(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for reconcile in self.lines().filter_map(Reconcile::of) {
            let object = reconcile.key.split_once(' ').map_or("", |(_, object)| object);
            if reconcile.step == Step::Finished {
                *counts.entry(object.to_owned()).or_default() += 1;
            }
        }
        counts
    }

    /// How many reconciles of one object have finished.
    #[must_use]
    pub fn finished(&self, object: &str) -> usize {
        self.finished_by_key().get(object).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_at_the_top_and_nested() {
        let flat = r#"{"level":"DEBUG","message":"reconcile started","plugin":"p","controller":"c",
            "key":"Task n/t","digest":"d","reconcile_id":"1"}"#;
        let nested = r#"{"level":"DEBUG","fields":{"message":"reconcile started","reconcile_id":1},
            "span":{"plugin":"p","controller":"c","key":"Task n/t","digest":"d"}}"#;
        let expected = Reconcile {
            step: Step::Started,
            key: "p/c Task n/t".to_owned(),
            digest: "d".to_owned(),
            id: "1".to_owned(),
            outcome: String::new(),
        };
        for text in [flat, nested] {
            assert_eq!(Reconcile::of(&Line::parse(text).unwrap()), Some(expected.clone()));
        }
        assert_eq!(Line::parse("thread 'main' panicked"), None);
    }
}
