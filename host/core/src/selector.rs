//! Label selectors in their textual form, as the API server reads them: `a=b,c!=d,e in (f,g),h,!i`.

use std::collections::BTreeMap;

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

fn split_outside_brackets(text: &str) -> Vec<&str> {
    if text.trim().is_empty() {
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
    let text = text.trim();
    if let Some(key) = text.strip_prefix('!') {
        return Some(Requirement::Absent(word(key)?));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Some(Requirement::NotIn(word(key)?, vec![value_word(value)?]));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Some(Requirement::In(word(key)?, vec![value_word(value)?]));
    }
    if let Some((head, list)) = text.split_once('(') {
        let values: Option<Vec<_>> = list.strip_suffix(')')?.split(',').map(value_word).collect();
        let (key, operator) = head.trim_end().rsplit_once(char::is_whitespace)?;
        return match operator {
            "in" => Some(Requirement::In(word(key)?, values?)),
            "notin" => Some(Requirement::NotIn(word(key)?, values?)),
            _ => None,
        };
    }
    Some(Requirement::Exists(word(text)?))
}

fn word(text: &str) -> Option<String> {
    value_word(text).filter(|word| !word.is_empty())
}

fn value_word(text: &str) -> Option<String> {
    let text = text.trim();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    text.chars().all(legal).then(|| text.to_owned())
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
        for text in ["=", "a in 1", "a in (1", "a b", "a between (1)", "!", ",", "a=b=c"] {
            assert!(Selector::parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
