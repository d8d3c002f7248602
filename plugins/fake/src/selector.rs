//! Label selectors as the API server reads them: `a=b,c!=d,e in (f,g),h,!i`.

use serde_json::{Map, Value};

use crate::Error;

/// A label selector; the empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

/// `values` none: only the key's presence counts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    values: Option<Vec<String>>,
    holds: bool,
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the part that is malformed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut requirements = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            // A list's own commas do not end the requirement.
            let list = rest.find('(').filter(|at| rest.find(',').is_none_or(|comma| *at < comma));
            let from = list.and_then(|_| rest.find(')')).unwrap_or_default();
            let end = rest.get(from..).and_then(|rest| rest.find(',')).map(|at| from + at);
            let (one, more) = match end {
                Some(end) => rest.split_at(end),
                None => (rest, ""),
            };
            let malformed = || Error::Invalid(format!("{one:?} is no label selector"));
            requirements.push(requirement(one.trim()).ok_or_else(malformed)?);
            rest = more;
            if let Some(more) = rest.strip_prefix(',') {
                rest = more.trim();
                if rest.is_empty() {
                    return Err(Error::Invalid(format!("{text:?} ends with a comma")));
                }
            }
        }
        Ok(Self(requirements))
    }

    /// Whether labels (`metadata.labels`, if there are any) meet every requirement.
    #[must_use]
    pub fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        self.0.iter().all(|Requirement { key, values, holds }| {
            let label = labels.and_then(|labels| labels.get(key)?.as_str());
            let meets = match values {
                None => label.is_some(),
                Some(values) => label.is_some_and(|label| values.iter().any(|v| v == label)),
            };
            meets == *holds
        })
    }
}

fn requirement(text: &str) -> Option<Requirement> {
    let (key, values, holds) = if let Some(key) = text.strip_prefix('!') {
        (key, None, false)
    } else if let Some((head, list)) = text.split_once('(') {
        let (key, operator) = head.trim_end().rsplit_once(' ')?;
        let holds = match operator {
            "in" => true,
            "notin" => false,
            _ => return None,
        };
        (key, Some(list.strip_suffix(')')?.split(',').collect()), holds)
    } else if let Some((key, value)) = text.split_once("!=") {
        (key, Some(vec![value]), false)
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (key, Some(vec![value]), true)
    } else {
        (text, None, true)
    };
    let values: Option<Vec<&str>> = values;
    let values = match values {
        Some(values) => Some(values.into_iter().map(value).collect::<Option<_>>()?),
        None => None,
    };
    Some(Requirement { key: label_key(key)?, values, holds })
}

/// A name, and before it a DNS subdomain and a slash if it has one.
fn label_key(text: &str) -> Option<String> {
    let text = text.trim();
    let (prefix, name) = text.split_once('/').unwrap_or(("prefix", text));
    let part = |part: &str| {
        let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !part.is_empty() && part.chars().all(lower) && ends_well(part)
    };
    let fits = prefix.len() <= 253 && prefix.split('.').all(part) && !name.is_empty();
    (fits && name.trim() == name && value(name).is_some()).then(|| text.to_owned())
}

/// A value, which may be empty.
fn value(text: &str) -> Option<String> {
    let text = text.trim();
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (text.len() <= 63 && text.chars().all(legal) && ends_well(text)).then(|| text.to_owned())
}

fn ends_well(text: &str) -> bool {
    let ends = [text.chars().next(), text.chars().next_back()];
    ends.iter().flatten().all(char::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_requirement_has_to_hold() {
        let labels = json!({ "a": "1", "b": "", "x.io/y": "z" });
        for (selector, expected) in [
            ("", true),
            ("a", true),
            ("!a", false),
            ("c", false),
            ("!c", true),
            ("a=1", true),
            ("a==1, b=", true),
            ("a=2", false),
            ("c=", false),
            ("a!=2,c!=1", true),
            ("a!=1", false),
            ("a in (0, 1),x.io/y", true),
            ("a in (0)", false),
            ("a notin (0,2),b", true),
            ("c notin (0)", true),
            ("a notin (1)", false),
            ("x.io/y=z,a in (1),!c", true),
        ] {
            let found = Selector::parse(selector).unwrap().matches(labels.as_object());
            assert_eq!(found, expected, "{selector:?}");
        }
        assert!(Selector::parse("!a").unwrap().matches(None));
        assert!(!Selector::parse("a").unwrap().matches(None));
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        let long = format!("a={}", "x".repeat(64));
        let table = [
            "=", "!", ",", "a,", "a b", "a=b=c", "a in 1", "a in (1", "a at (1)", "in (1)", "a=é",
            "a=b/c", "a/b/c=d", "/a", "a/", "A.io/b", "-a", "a_=b", "x.io/ in", "a=-b", "a=b.",
            &long,
        ];
        for text in table {
            assert!(Selector::parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
