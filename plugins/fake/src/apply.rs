//! Server-side apply, simplified: a merge patch that remembers which leaves each manager applied.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// JSON pointers of leaves: of every value that is no object, and of empty objects.
pub(crate) type Leaves = BTreeSet<String>;

/// Which leaves each manager applied, by manager and subresource.
pub(crate) type Applied = BTreeMap<(String, Option<String>), Leaves>;

/// Fields that name the object or that the server keeps: nobody owns them.
const NOBODYS: &[&str] = &[
    "/apiVersion",
    "/kind",
    "/metadata/name",
    "/metadata/namespace",
    "/metadata/uid",
    "/metadata/resourceVersion",
];

/// The leaves of a document that is applied.
pub(crate) fn leaves(document: &Value) -> Leaves {
    let mut leaves = Leaves::new();
    collect(document, String::new(), &mut leaves);
    leaves.retain(|leaf| !NOBODYS.contains(&leaf.as_str()));
    leaves
}

fn collect(value: &Value, at: String, leaves: &mut Leaves) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                collect(value, format!("{at}/{name}"), leaves);
            }
        }
        Value::Null => {}
        _ => {
            leaves.insert(at);
        }
    }
}

/// The leaves of `document` that other managers applied with another value than this one.
pub(crate) fn conflicts(
    applied: &Applied,
    manager: &str,
    current: &Value,
    document: &Value,
) -> Vec<String> {
    let others: BTreeSet<&String> =
        applied.iter().filter(|((who, _), _)| who != manager).flat_map(|(_, own)| own).collect();
    let mine = leaves(document);
    let differs = |leaf: &&String| current.pointer(leaf) != document.pointer(leaf);
    mine.iter().filter(|leaf| others.contains(leaf)).filter(differs).cloned().collect()
}

/// What applying `document` makes of `current`; `omitted` are the leaves that go.
pub(crate) fn merge(current: &Value, document: &Value, omitted: &Leaves) -> Value {
    let mut merged = current.clone();
    for leaf in omitted {
        remove(&mut merged, leaf);
    }
    json_patch::merge(&mut merged, document);
    merged
}

/// Removes a leaf, and the objects that are empty without it.
fn remove(object: &mut Value, leaf: &str) {
    let Some((parent, name)) = leaf.rsplit_once('/') else { return };
    let name = name.replace("~1", "/").replace("~0", "~");
    if let Some(fields) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
        fields.remove(&name);
        if fields.is_empty() && !parent.is_empty() {
            remove(object, parent);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn leaves_are_values_and_empty_objects_without_what_is_nobodys() {
        let document = json!({
            "apiVersion": "v1", "kind": "X", "metadata": { "name": "x", "labels": { "a.io/b": "c" } },
            "spec": { "list": [{ "a": 1 }], "none": null, "empty": {} },
        });
        let expected = ["/metadata/labels/a.io~1b", "/spec/empty", "/spec/list"];
        assert_eq!(leaves(&document), expected.map(str::to_owned).into());
    }

    #[test]
    fn a_removed_leaf_takes_empty_parents_along() {
        let current = json!({ "a": { "b/c": { "d": 1 }, "e": 2 }, "f": { "g": 3 } });
        let omitted = ["/a/b~1c/d", "/f/g"].map(str::to_owned).into();
        assert_eq!(
            merge(&current, &json!({ "h": 4 }), &omitted),
            json!({ "a": { "e": 2 }, "h": 4 })
        );
    }
}
