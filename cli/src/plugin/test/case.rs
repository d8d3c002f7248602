//! Case files: what they hold, and how an observed result is put into one.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow, ensure};
use joch_core::object::{Gvk, ObjectKey};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// One case. Closed: an unknown key is an error that names it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// What it shows, in a sentence.
    pub(super) name: Option<String>,
    /// The plugin's settings.
    #[serde(default)]
    pub(super) config: Map<String, Value>,
    /// The time of the call, in RFC 3339.
    #[serde(default = "new_year")]
    pub(super) now: String,
    /// How often the object failed in a row before.
    #[serde(default)]
    pub(super) attempt: u32,
    /// The objects that are there.
    #[serde(default)]
    pub(super) given: Vec<Value>,
    /// The object to reconcile.
    pub(super) reconcile: Option<Reference>,
    /// The object to finalize.
    pub(super) finalize: Option<Reference>,
    /// What to expect.
    #[serde(default)]
    pub(super) expect: Expect,
}

fn new_year() -> String {
    "2026-01-01T00:00:00Z".to_owned()
}

/// An object by name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reference {
    #[serde(deserialize_with = "kind")]
    kind: Gvk,
    namespace: Option<String>,
    name: String,
}

impl Reference {
    pub(super) fn key(&self) -> ObjectKey {
        let Self { kind, namespace, name } = self.clone();
        ObjectKey { kind, namespace, name }
    }
}

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Gvk, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// What a case expects. What is left out is not checked, but a failure and a denied call have to be
/// expected.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// `done`, or one key: `requeue-after`, `transient`, `permanent`, or the category of a stop.
    pub(super) outcome: Option<Value>,
    /// Fields of the object's status afterwards.
    pub(super) status: Option<Value>,
    /// All objects that were written, Jobs and the object's status apart.
    pub(super) objects: Option<Vec<Value>>,
    /// All objects that were deleted.
    pub(super) deleted: Option<Vec<Value>>,
    /// All Jobs that were started.
    pub(super) jobs: Option<Vec<Value>>,
    /// All Events that were published, in their order.
    pub(super) events: Option<Vec<Value>>,
    /// All calls that were denied, in their order, by a part of the reason.
    #[serde(default)]
    pub(super) denied: Vec<String>,
    /// Parts of log lines.
    #[serde(default)]
    pub(super) log: Vec<String>,
}

/// A file of cases, with its text as people wrote it.
#[derive(Debug)]
pub(super) struct CaseFile {
    documents: Vec<String>,
    pub(super) cases: Vec<Case>,
}

impl CaseFile {
    /// Reads a file of one or several documents.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|error| anyhow!("{} cannot be read: {error}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut documents = vec![String::new()];
        for line in text.lines() {
            if line.trim_end() == "---" {
                documents.push(String::new());
            } else if let Some(document) = documents.last_mut() {
                document.push_str(line);
                document.push('\n');
            }
        }
        let said = |text: &String| {
            text.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#'))
        };
        documents.retain(said);
        ensure!(!documents.is_empty(), "there is no case in it");
        let case = |(number, text): (usize, &String)| {
            serde_norway::from_str(text)
                .map_err(|error| anyhow!("case {} is not valid: {error}", number + 1))
        };
        let cases = documents.iter().enumerate().map(case).collect::<anyhow::Result<_>>()?;
        Ok(Self { documents, cases })
    }

    /// Puts an observed result in the place of a case's `expect`; all else stays as it was written.
    pub(super) fn bless(&mut self, index: usize, expect: &Value) -> anyhow::Result<()> {
        let document = self.documents.get_mut(index).context("no such case")?;
        let top =
            |line: &str| line.starts_with(|c: char| !c.is_whitespace() && c != '#' && c != '-');
        let mut kept = String::new();
        let mut inside = false;
        for line in document.lines() {
            if top(line) {
                inside = line.starts_with("expect:");
            }
            if !inside {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        let section = serde_norway::to_string(&serde_json::json!({ "expect": expect }))?;
        *document = kept + &section;
        Ok(())
    }

    /// Writes the file anew.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        fs::write(path, self.documents.join("---\n"))
            .map_err(|error| anyhow!("{} cannot be written: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FILE: &str = "\
# About the first.
name: first
reconcile: { kind: v1/Pod, name: a }
expect:
  outcome: done
  # in between
  log:
  - x
attempt: 2
---
# About the second.
name: second
reconcile:
  kind: v1/Pod
  name: b
";

    #[test]
    fn each_document_is_a_case() {
        let file = CaseFile::parse(FILE).unwrap();
        let [first, second] = file.cases.as_slice() else { panic!("{file:?}") };
        assert_eq!((first.attempt, first.expect.outcome.clone()), (2, Some(json!("done"))));
        assert_eq!(second.reconcile.as_ref().unwrap().key().to_string(), "Pod b");
        assert_eq!(second.now, "2026-01-01T00:00:00Z");
    }

    #[test]
    fn blessing_changes_what_is_expected_and_nothing_else() {
        let mut file = CaseFile::parse(FILE).unwrap();
        file.bless(0, &json!({"outcome": "done", "objects": []})).unwrap();
        file.bless(1, &json!({"outcome": {"requeue-after": "30s"}})).unwrap();
        let expected = "\
# About the first.
name: first
reconcile: { kind: v1/Pod, name: a }
attempt: 2
expect:
  objects: []
  outcome: done
---
# About the second.
name: second
reconcile:
  kind: v1/Pod
  name: b
expect:
  outcome:
    requeue-after: 30s
";
        assert_eq!(file.documents.join("---\n"), expected);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_case() {
        for (text, parts) in [
            ("nmae: x\n", ["case 1", "nmae"]),
            ("name: x\n---\nexpect: { outcom: done }\n", ["case 2", "outcom"]),
            ("reconcile: { kind: Pod, name: a }\n", ["case 1", "names no kind"]),
            ("# nothing\n---\n", ["there is no case", ""]),
        ] {
            let error = format!("{:#}", CaseFile::parse(text).unwrap_err());
            assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}: {error}");
        }
    }
}
