//! Fields that the installed CRD does not declare: the API server prunes them, and the host leaves them
//! out from then on, so that a settled status causes no write.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Fields that are dropped, each by the names on its way; `*` is every item of a list.
pub type Dropped = BTreeSet<Vec<String>>;

const EVERY_ITEM: &str = "*";

/// The fields of `expected` that `stored` (the API server's answer to a write) lacks.
#[must_use]
pub fn dropped(expected: &Map<String, Value>, stored: &Value) -> Dropped {
    let mut found = Dropped::new();
    let empty = Value::Object(Map::new());
    compare(expected, stored.get("status").unwrap_or(&empty), &[], &mut found);
    found
}

/// Takes the fields out of a status.
pub(super) fn remove(status: &mut Map<String, Value>, dropped: &Dropped) {
    for path in dropped {
        cut(status, path);
    }
}

fn compare(expected: &Map<String, Value>, stored: &Value, at: &[String], found: &mut Dropped) {
    for (name, value) in expected {
        let path = [at, std::slice::from_ref(name)].concat();
        match stored.get(name) {
            None => {
                found.insert(path);
            }
            Some(stored) => compare_values(value, stored, &path, found),
        }
    }
}

fn compare_values(expected: &Value, stored: &Value, at: &[String], found: &mut Dropped) {
    match (expected, stored) {
        (Value::Object(expected), Value::Object(_)) => compare(expected, stored, at, found),
        (Value::Array(expected), Value::Array(stored)) if expected.len() == stored.len() => {
            let path = [at, &[EVERY_ITEM.to_owned()]].concat();
            for (expected, stored) in expected.iter().zip(stored) {
                compare_values(expected, stored, &path, found);
            }
        }
        _ => {}
    }
}

fn cut(fields: &mut Map<String, Value>, path: &[String]) {
    match path {
        [] => {}
        [name] => {
            fields.remove(name);
        }
        [name, rest @ ..] => {
            if let Some(value) = fields.get_mut(name) {
                cut_value(value, rest);
            }
        }
    }
}

fn cut_value(value: &mut Value, path: &[String]) {
    match (value, path) {
        (Value::Object(fields), _) => cut(fields, path),
        (Value::Array(items), [item, rest @ ..]) if item == EVERY_ITEM => {
            items.iter_mut().for_each(|item| cut_value(item, rest));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_pruned_anywhere_is_found_and_left_out() {
        let expected = json!({
            "phase": "P", "updatedAt": "t", "counts": {"a": 1, "b": 2},
            "conditions": [{"type": "A", "observedGeneration": 1}, {"type": "B", "observedGeneration": 1}],
        });
        let stored = json!({
            "phase": "P", "counts": {"a": 1, "others": 3},
            "conditions": [{"type": "A"}, {"type": "B"}],
        });
        let mut status = expected.as_object().unwrap().clone();
        let lost = dropped(&status, &json!({ "status": stored }));
        let names: Vec<String> = lost.iter().map(|path| path.join(".")).collect();
        assert_eq!(names, ["conditions.*.observedGeneration", "counts.b", "updatedAt"]);
        remove(&mut status, &lost);
        let left = json!({"phase": "P", "counts": {"a": 1}, "conditions": stored["conditions"]});
        assert_eq!(Value::Object(status), left);
    }

    #[test]
    fn a_status_that_is_dropped_as_a_whole_is_dropped_field_by_field() {
        let expected = json!({"a": 1, "b": 2});
        assert_eq!(dropped(expected.as_object().unwrap(), &json!({})).len(), 2);
    }
}
