//! The parts of an object that a query asks for, or that a manifest has the host keep.

use serde_json::{Map, Value};

use crate::manifest::WatchData;
use crate::port::Query;

/// What is in every part.
const ALWAYS: [&str; 3] = ["/apiVersion", "/kind", "/metadata"];

/// Cuts an object down to what the query asks for: all of it, `apiVersion`, `kind` and `metadata` only, or
/// these and the fields named.
///
/// # Errors
/// A text that names the field that is no JSON pointer.
pub fn project(whole: &Value, query: &Query) -> Result<Value, String> {
    if query.fields.is_empty() && !query.metadata_only {
        return Ok(whole.clone());
    }
    if let Some(pointer) = query.fields.iter().find(|pointer| !pointer.starts_with('/')) {
        return Err(format!("{pointer:?} is no JSON pointer: it has to start with /"));
    }
    let wanted = if query.metadata_only { [].iter() } else { query.fields.iter() };
    Ok(part(whole, wanted.map(String::as_str)))
}

/// Cuts an object down to what is kept of its kind.
#[must_use]
pub fn keep(whole: Value, data: &WatchData) -> Value {
    match data {
        WatchData::Full => whole,
        WatchData::Metadata => part(&whole, std::iter::empty()),
        WatchData::Fields(pointers) => part(&whole, pointers.iter().map(String::as_str)),
    }
}

/// What is always there, and the fields that pointers name.
fn part<'a>(whole: &Value, pointers: impl Iterator<Item = &'a str>) -> Value {
    let mut part = Value::Object(Map::new());
    for pointer in ALWAYS.into_iter().chain(pointers) {
        let names = pointer.split('/').skip(1);
        let names: Vec<_> = names.map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
        if let Some((names, value)) = find(whole, &names) {
            put(&mut part, names, value);
        }
    }
    part
}

/// The value that the names lead to, and the names that were walked: a list on the way is taken whole, for
/// one element of it would say something else in its place.
fn find<'a, 'n>(whole: &'a Value, names: &'n [String]) -> Option<(&'n [String], &'a Value)> {
    let mut value = whole;
    for (depth, name) in names.iter().enumerate() {
        match value {
            Value::Object(fields) => value = fields.get(name)?,
            Value::Array(_) => return Some((names.get(..depth)?, value)),
            _ => return None,
        }
    }
    Some((names, value))
}

/// Puts a value at a place, making objects on the way.
fn put(part: &mut Value, names: &[String], value: &Value) {
    let mut place = part;
    for name in names {
        let Value::Object(fields) = place else { return };
        place = fields.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
    }
    *place = value.clone();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object() -> Value {
        json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"},
            "spec": {"a": {"b": 1, "c": 2}, "x/y": 3, "list": [{"d": 1}, {"d": 2}]},
            "status": {"phase": "P"}})
    }

    fn projected(fields: &[&str], metadata_only: bool) -> Result<Value, String> {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        let query = Query { fields, metadata_only, ..Query::new("v1/K".parse().unwrap()) };
        project(&object(), &query)
    }

    #[test]
    fn only_the_fields_asked_for_are_handed_out() {
        let fields =
            ["/spec/a/b", "/spec/x~1y", "/spec/list/0/d", "/spec/none", "/spec/a/b/deeper"];
        let part = projected(&fields, false).unwrap();
        let spec = json!({"a": {"b": 1}, "x/y": 3, "list": [{"d": 1}, {"d": 2}]});
        assert_eq!(part["spec"], spec);
        assert_eq!(part["metadata"]["name"], "n");
        assert_eq!(part.get("status"), None);
        assert_eq!(projected(&["/spec"], true).unwrap().get("spec"), None);
        assert_eq!(projected(&[], false).unwrap()["status"]["phase"], "P");
        assert!(projected(&["spec"], false).unwrap_err().contains("\"spec\" is no JSON pointer"));
    }

    #[test]
    fn a_part_within_a_part_takes_nothing_away() {
        for fields in [["/spec", "/spec/a/b"], ["/spec/a/b", "/spec"]] {
            assert_eq!(projected(&fields, false).unwrap()["spec"], object()["spec"]);
        }
    }

    #[test]
    fn what_is_kept_is_what_the_manifest_says() {
        assert_eq!(keep(object(), &WatchData::Full), object());
        let metadata = json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}});
        assert_eq!(keep(object(), &WatchData::Metadata), metadata);
        let mut status = metadata;
        status["status"] = json!({"phase": "P"});
        assert_eq!(keep(object(), &WatchData::Metadata.and_field("/status")), status);
    }
}
