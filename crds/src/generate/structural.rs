//! Turns a JSON schema into a structural one, as the API server wants it.

use serde_json::{Map, Value, json};

/// Rewrites the schema in place: no null, no titles, no `oneOf` for documented enums, no `default: null`.
///
/// Nothing is nullable: the API server drops a null of a field that is not, as for any built-in kind.
pub(super) fn make(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    drop_null_alternative(map);
    merge_constants(map);
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = map.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if map.get("default").is_some_and(|value| value.is_null()) {
        map.remove("default");
    }
    // What a map of anything says; the API server wants `x-kubernetes-preserve-unknown-fields` instead.
    if map.get("additionalProperties") == Some(&Value::Bool(true)) {
        map.remove("additionalProperties");
    }
    map.remove("$schema");
    map.remove("title");
    if let Some(Value::String(text)) = map.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(make);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(key) {
            make(inner);
        }
    }
}

/// `anyOf: [X, null]` is how an optional struct looks: X takes its place.
fn drop_null_alternative(map: &mut Map<String, Value>) {
    let Some(Value::Array(mut alternatives)) = map.remove("anyOf") else {
        return;
    };
    alternatives.retain(|schema| schema != &json!({"type": "null"}));
    match (alternatives.pop(), alternatives.is_empty()) {
        (Some(Value::Object(only)), true) => {
            for (key, value) in only {
                map.entry(key).or_insert(value);
            }
        }
        (Some(last), _) => {
            alternatives.push(last);
            map.insert("anyOf".to_owned(), Value::Array(alternatives));
        }
        (None, _) => {}
    }
}

/// `oneOf` constants with a description each: they become one `enum`.
fn merge_constants(map: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = map.get("oneOf") else {
        return;
    };
    let mut values = Vec::new();
    for variant in variants {
        match (variant.get("const"), variant.get("enum")) {
            (Some(value), _) => values.push(value.clone()),
            (None, Some(Value::Array(several))) => values.extend(several.iter().cloned()),
            _ => return,
        }
    }
    map.remove("oneOf");
    map.insert("type".to_owned(), json!("string"));
    map.insert("enum".to_owned(), Value::Array(values));
}
