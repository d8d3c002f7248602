//! JSON documents of the host as Rust values, with errors that name the place.

use std::fmt::Display;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{Error, ObjectRef};

/// Parses `json`; an error names `what` it is and where in it the trouble is.
pub(crate) fn decode<T: DeserializeOwned>(what: impl Display, json: &str) -> Result<T, Error> {
    serde_json::from_str(json)
        .map_err(|error| Error::Malformed(format!("{what}: {}", located(&error, json))))
}

/// Serialises anything.
pub(crate) fn encode(what: impl Display, value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Malformed(format!("{what}: {error}")))
}

/// Serialises an object, and fills in what its target says and the type may leave out: `apiVersion`,
/// `kind`, name and namespace.
pub(crate) fn encode_object(target: &ObjectRef, object: &impl Serialize) -> Result<String, Error> {
    let malformed = |text: &dyn Display| Error::Malformed(format!("{target}: {text}"));
    let mut object = match serde_json::to_value(object) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err(malformed(&"not a JSON object")),
        Err(error) => return Err(malformed(&error)),
    };
    fill(&mut object, "apiVersion", &target.kind.api_version());
    fill(&mut object, "kind", &target.kind.kind);
    let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(metadata) = metadata {
        fill(metadata, "name", &target.name);
        if let Some(namespace) = &target.namespace {
            fill(metadata, "namespace", namespace);
        }
    }
    Ok(Value::Object(object).to_string())
}

fn fill(object: &mut Map<String, Value>, key: &str, text: &str) {
    let value = object.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::String(text.to_owned());
    }
}

/// The error's text with a JSON pointer in front instead of line and column behind.
fn located(error: &serde_json::Error, json: &str) -> String {
    let mut text = error.to_string();
    let (line, column) = (error.line(), error.column());
    if let Some(what) = text.strip_suffix(&format!(" at line {line} column {column}")) {
        let start = json.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>();
        let path = path_at(json, start + column);
        text = if path.is_empty() { what.to_owned() } else { format!("{path}: {what}") };
    }
    text
}

/// One object or array that is open where the scan stands.
enum Open<'a> {
    Object { key: Option<&'a str>, in_key: bool },
    Array { index: Option<usize> },
}

/// The JSON pointer of the value at byte `offset`: of the last one begun and not left before it.
fn path_at(json: &str, offset: usize) -> String {
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut bytes = json.bytes().enumerate().take(offset);
    while let Some((at, byte)) = bytes.next() {
        if !matches!(byte, b']' | b' ' | b'\n' | b'\r' | b'\t')
            && let Some(Open::Array { index: index @ None }) = open.last_mut()
        {
            *index = Some(0);
        }
        match byte {
            b'{' => open.push(Open::Object { key: None, in_key: true }),
            b'[' => open.push(Open::Array { index: None }),
            b'}' | b']' => drop(open.pop()),
            b':' => {
                if let Some(Open::Object { in_key, .. }) = open.last_mut() {
                    *in_key = false;
                }
            }
            b',' => match open.last_mut() {
                Some(Open::Object { in_key, .. }) => *in_key = true,
                Some(Open::Array { index: Some(index) }) => *index += 1,
                _ => {}
            },
            b'"' => {
                let mut end = at + 1;
                while let Some((at, byte)) = bytes.next() {
                    end = at;
                    match byte {
                        b'"' => break,
                        b'\\' => drop(bytes.next()),
                        _ => {}
                    }
                }
                if let Some(Open::Object { key, in_key: true }) = open.last_mut() {
                    *key = json.get(at..=end);
                }
            }
            _ => {}
        }
    }
    let mut path = String::new();
    for level in open {
        match level {
            Open::Object { key: Some(key), .. } => path.extend(["/", &reference_token(key)]),
            Open::Array { index: Some(index) } => path.extend(["/", &*index.to_string()]),
            _ => {}
        }
    }
    path
}

/// A key as it stands in the text, in quotes, as a part of a JSON pointer.
fn reference_token(quoted: &str) -> String {
    let key: String = serde_json::from_str(quoted).unwrap_or_else(|_| quoted.to_owned());
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::Gvk;

    #[derive(Debug, Deserialize)]
    struct Task {
        #[expect(dead_code, reason = "only its shape matters")]
        spec: Spec,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Spec {
        name: String,
        #[serde(default)]
        steps: Vec<Vec<Step>>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Step {
        run: String,
    }

    fn check(json: &str, expected: &str) {
        let error = decode::<Task>("Task a/b", json).unwrap_err();
        assert_eq!(error, Error::Malformed(format!("Task a/b: {expected}")));
    }

    #[test]
    fn an_error_names_the_place() {
        check(
            r#"{"kind":"Task","spec":{"name":5}}"#,
            "/spec/name: invalid type: integer `5`, expected a string",
        );
        check(r#"{"spec":{"name":{"x":1}}}"#, "/spec/name: invalid type: map, expected a string");
        check(r#"{"spec":{"name":[]}}"#, "/spec/name: invalid type: sequence, expected a string");
        check(
            "{\n \"spec\": {\n  \"name\": \"a\\\"}{\",\n  \"steps\": [[], [{\"run\":\"x\"}, {\"run\": true}]]}}",
            "/spec/steps/1/1/run: invalid type: boolean `true`, expected a string",
        );
    }

    #[test]
    fn a_key_is_written_as_pointers_write_it() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only its shape matters")]
        struct Labels(std::collections::BTreeMap<String, String>);
        let error = decode::<Labels>("labels", r#"{"x.io/a\u007eb": 5}"#).unwrap_err();
        assert!(error.to_string().contains("/x.io~1a~0b: invalid type"), "{error}");
    }

    #[test]
    fn a_missing_field_is_named_with_the_object_that_lacks_it() {
        check("{}", "missing field `spec`");
        check(r#"{"a":[1],"spec":{}}"#, "/spec: missing field `name`");
        check(
            r#"{"spec":{"name":"a","steps":[[{"run":"x"},{}]]}}"#,
            "/spec/steps/0/1: missing field `run`",
        );
    }

    #[test]
    fn the_target_fills_in_what_the_object_leaves_out() {
        let target = ObjectRef {
            kind: Gvk::new("v1", "ConfigMap"),
            namespace: Some("team".to_owned()),
            name: "text".to_owned(),
            uid: None,
        };
        let filled = encode_object(&target, &json!({ "metadata": { "labels": {} } })).unwrap();
        let filled: Value = serde_json::from_str(&filled).unwrap();
        let metadata = json!({ "labels": {}, "name": "text", "namespace": "team" });
        assert_eq!(
            filled,
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata })
        );
        assert!(encode_object(&target, &5).is_err());
    }
}
