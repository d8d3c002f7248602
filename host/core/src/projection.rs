//! The parts of an object that a query asks for.

use serde_json::{Map, Value};

use crate::port::Query;

/// Cuts an object down to what the query asks for: all of it, `apiVersion`, `kind` and `metadata` only, or
/// these and the fields named.
///
/// # Errors
/// A text that names the field that is no JSON pointer.
pub fn project(whole: &Value, query: &Query) -> Result<Value, String> {
    if query.fields.is_empty() && !query.metadata_only {
        return Ok(whole.clone());
    }
    let mut part = Value::Object(Map::new());
    let always = ["/apiVersion", "/kind", "/metadata"].into_iter();
    let wanted = if query.metadata_only { [].iter() } else { query.fields.iter() };
    for pointer in always.chain(wanted.map(String::as_str)) {
        if !pointer.starts_with('/') {
            return Err(format!("{pointer:?} is no JSON pointer: it has to start with /"));
        }
        if let Some(value) = whole.pointer(pointer) {
            put(&mut part, pointer, value);
        }
    }
    Ok(part)
}

/// Puts a value at the place of a pointer, making objects on the way; a list is taken whole.
fn put(part: &mut Value, pointer: &str, value: &Value) {
    let mut place = part;
    for name in pointer.split('/').skip(1) {
        let Value::Object(fields) = place else { return };
        let name = name.replace("~1", "/").replace("~0", "~");
        place = fields.entry(name).or_insert_with(|| Value::Object(Map::new()));
    }
    *place = value.clone();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn projected(fields: &[&str], metadata_only: bool) -> Result<Value, String> {
        let object = json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"},
            "spec": {"a": {"b": 1, "c": 2}, "x/y": 3, "list": [1, 2]}, "status": {"phase": "P"}});
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        let query = Query { fields, metadata_only, ..Query::new("v1/K".parse().unwrap()) };
        project(&object, &query)
    }

    #[test]
    fn only_the_fields_asked_for_are_handed_out() {
        let fields = ["/spec/a/b", "/spec/x~1y", "/spec/list", "/spec/none"];
        let part = projected(&fields, false).unwrap();
        let spec = json!({"a": {"b": 1}, "x/y": 3, "list": [1, 2]});
        assert_eq!(part["spec"], spec);
        assert_eq!(part["metadata"]["name"], "n");
        assert_eq!(part.get("status"), None);
        assert_eq!(projected(&["/spec"], true).unwrap().get("spec"), None);
        assert_eq!(projected(&[], false).unwrap()["status"]["phase"], "P");
        assert!(projected(&["spec"], false).unwrap_err().contains("\"spec\" is no JSON pointer"));
    }
}
