//! Fuzz targets: whatever the document, an error leads to the very value that it is about, and an object that
//! is written says what its target says.

use joch_fuzz::{Target, edited_text};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::*;
use crate::Gvk;

const KEPT: &str = "kept";

/// A document in which every leaf is a number.
#[derive(Debug)]
struct Numbers;

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Numbers;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number")
            }

            fn visit_u64<E>(self, _: u64) -> Result<Numbers, E> {
                Ok(Numbers)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<Numbers, A::Error> {
                while list.next_element::<Numbers>()?.is_some() {}
                Ok(Numbers)
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Numbers, A::Error> {
                while map.next_entry::<String, Numbers>()?.is_some() {}
                Ok(Numbers)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// The pointer of the first leaf, in the order of the text, that is no number.
fn first_wrong(value: &Value, at: &str) -> Option<String> {
    match value {
        Value::Number(_) => None,
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(index, item)| first_wrong(item, &format!("{at}/{index}")))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            first_wrong(value, &format!("{at}/{name}"))
        }),
        _ => Some(at.to_owned()),
    }
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        12 => (0..9_u32).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => "[a\"\\\\{}\\[\\],: é\n]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        let name = "[a~/\"\\\\{}\\[\\],:é\n]{0,3}";
        prop_oneof![
            btree_map(name, inner.clone(), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
            vec(inner, 0..4).prop_map(Value::Array),
        ]
    })
}

fn the_place_is_named((document, pretty): &(Value, bool)) {
    let text = if *pretty {
        serde_json::to_string_pretty(document).unwrap()
    } else {
        document.to_string()
    };
    let read = decode::<Numbers>("it", &text);
    match first_wrong(document, "") {
        None => assert!(read.is_ok(), "{read:?}"),
        Some(place) => {
            let told = read.unwrap_err().to_string();
            let expected = if place.is_empty() { String::new() } else { format!("{place}: ") };
            assert!(
                told.contains(&format!("it: {expected}invalid type: ")),
                "{told}, not {place:?}"
            );
        }
    }
}

#[test]
fn an_error_leads_to_the_value_that_it_is_about() {
    let inputs = (document(), any::<bool>());
    Target { name: "json-place", kept: KEPT, cases: 20_000 }.hold(&inputs, the_place_is_named);
}

fn is_read_or_refused(text: &str) {
    if let Err(error) = decode::<Numbers>("it", text) {
        assert!(error.to_string().len() < 2 * text.len() + 300, "{error}");
    }
    drop(decode::<Value>("it", text));
}

#[test]
fn texts_that_are_nearly_documents_do_no_harm() {
    let samples = ["{\"a\":[1,{\"b\":2}],\"c\":{}}", "[[[1]]]", "\"\\ud83d\\ude00\"", "1e5"];
    let words = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800", "\n", "null", "1e999", "-", "é",
    ];
    let deep = (prop_oneof![Just("["), Just("{\"a\":"), Just("[{\"\":")], 0..30_000_usize)
        .prop_map(|(piece, count)| piece.repeat(count));
    let inputs = prop_oneof![60 => edited_text(&samples, &words), 1 => deep];
    Target { name: "json-text", kept: KEPT, cases: 15_000 }
        .hold(&inputs, |text| is_read_or_refused(text));
}

type Given = (Option<String>, String, Value);

fn it_says_what_its_target_says((namespace, name, document): &Given) {
    let target = ObjectRef {
        kind: Gvk::new("batch/v1", "Job"),
        namespace: namespace.clone(),
        name: name.clone(),
        uid: None,
    };
    let Ok(text) = encode_object(&target, document) else {
        assert!(!document.is_object(), "{document} was refused");
        return;
    };
    let mut expected = document.clone();
    let given = |place: Option<&Value>, otherwise: &str| match place {
        None | Some(Value::Null) => json!(otherwise),
        Some(value) => value.clone(),
    };
    expected["apiVersion"] = given(document.get("apiVersion"), "batch/v1");
    expected["kind"] = given(document.get("kind"), "Job");
    if document.get("metadata").is_none_or(Value::is_object) {
        expected["metadata"]["name"] = given(document.pointer("/metadata/name"), name);
        if let Some(namespace) = namespace {
            expected["metadata"]["namespace"] =
                given(document.pointer("/metadata/namespace"), namespace);
        }
    }
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
}

#[test]
fn an_object_says_what_its_target_says_and_keeps_the_rest() {
    let named = prop_oneof![Just("apiVersion"), Just("kind"), Just("metadata"), Just("spec")];
    let inner = prop_oneof![
        2 => document(),
        1 => Just(Value::Null),
        2 => btree_map("name|namespace|labels", document(), 0..3).prop_map(|fields| json!(fields)),
    ];
    let object = btree_map(named.prop_map(str::to_owned), inner, 0..4);
    let whole = prop_oneof![9 => object.prop_map(|fields| json!(fields)), 1 => document()];
    let inputs = (proptest::option::of(".{0,3}"), ".{0,3}", whole);
    Target { name: "json-object", kept: KEPT, cases: 10_000 }
        .hold(&inputs, it_says_what_its_target_says);
}
