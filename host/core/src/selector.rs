//! Label selectors in their textual form, as the API server reads them: `a=b,c!=d,e in (f,g),h,!i`.

use std::collections::BTreeMap;

use crate::name::is_small_label;

/// A label selector. Every requirement has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// Why a text is no selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no label selector (write \"a=b,c!=d,e in (f,g),h,!i\")")]
pub struct InvalidSelector(String);

impl Selector {
    /// Reads a selector; the empty text selects everything.
    ///
    /// # Errors
    /// [`InvalidSelector`] for text that is malformed.
    pub fn parse(text: &str) -> Result<Self, InvalidSelector> {
        let parts = split_outside_brackets(text);
        let requirements: Option<Vec<_>> = parts.into_iter().map(requirement).collect();
        requirements.map(Self).ok_or_else(|| InvalidSelector(text.to_owned()))
    }

    /// Whether labels meet every requirement.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => labels.get(key).is_some_and(|v| values.contains(v)),
            Requirement::NotIn(key, values) => labels.get(key).is_none_or(|v| !values.contains(v)),
            Requirement::Exists(key) => labels.contains_key(key),
            Requirement::Absent(key) => !labels.contains_key(key),
        })
    }
}

/// What separates words; nothing else does, other blanks of Unicode are part of a word and refused with it.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

fn split_outside_brackets(text: &str) -> Vec<&str> {
    if trim(text).is_empty() {
        return Vec::new();
    }
    let mut depth = 0_i32;
    text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

fn requirement(text: &str) -> Option<Requirement> {
    let text = trim(text);
    if let Some(name) = text.strip_prefix('!') {
        return Some(Requirement::Absent(key(name)?));
    }
    if let Some((name, text)) = text.split_once("!=") {
        return Some(Requirement::NotIn(key(name)?, vec![value(text)?]));
    }
    if let Some((name, text)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Some(Requirement::In(key(name)?, vec![value(text)?]));
    }
    if let Some((head, list)) = text.split_once('(') {
        let values: Option<Vec<_>> = list.strip_suffix(')')?.split(',').map(value).collect();
        let (name, operator) = trim(head).rsplit_once(BLANKS)?;
        return match operator {
            "in" => Some(Requirement::In(key(name)?, values?)),
            "notin" => Some(Requirement::NotIn(key(name)?, values?)),
            _ => None,
        };
    }
    Some(Requirement::Exists(key(text)?))
}

/// A label's key: a name, before it a DNS subdomain and a slash if it has one.
fn key(text: &str) -> Option<String> {
    let text = trim(text);
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    let subdomain = |prefix: &str| prefix.len() <= 253 && prefix.split('.').all(is_small_label);
    let whole = !name.is_empty() && trim(name) == name && value(name).is_some();
    let valid = prefix.is_none_or(subdomain) && whole;
    valid.then(|| text.to_owned())
}

/// A label's value, which may be empty.
fn value(text: &str) -> Option<String> {
    let text = trim(text);
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let valid = text.len() <= 63 && text.chars().all(legal) && between_alphanumerics(text);
    valid.then(|| text.to_owned())
}

fn between_alphanumerics(text: &str) -> bool {
    let ends = [text.chars().next(), text.chars().next_back()];
    ends.iter().flatten().all(char::is_ascii_alphanumeric)
}

fn trim(text: &str) -> &str {
    text.trim_matches(BLANKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_those_of_the_api_server() {
        let labels =
            BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())]);
        let table = [
            ("", true),
            ("a=1", true),
            ("a==1,b=", true),
            ("a!=1", false),
            ("c!=1", true),
            ("a in (0,1)", true),
            ("a notin (0, 1)", false),
            ("c notin (0)", true),
            ("a, !c", true),
            ("!a", false),
            ("x.io/y", false),
        ];
        for (text, expected) in table {
            assert_eq!(Selector::parse(text).unwrap().matches(&labels), expected, "{text:?}");
        }
    }

    #[test]
    fn malformed_selectors_are_refused() {
        let long = format!("a={}", "b".repeat(64));
        for text in [
            "=",
            "a in 1",
            "a in (1",
            "a b",
            "a between (1)",
            "!",
            ",",
            "a=b=c",
            "_",
            "a=-",
            "a/b/c",
            "A.io/b",
            "a=b/c",
            "a\u{a0}in (b)",
            &long,
        ] {
            assert!(Selector::parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
