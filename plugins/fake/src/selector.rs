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
        Some(values) => Some(values.into_iter().map(word).collect::<Option<_>>()?),
        None => None,
    };
    let key = word(key).filter(|key| !key.is_empty())?;
    Some(Requirement { key, values, holds })
}

fn word(text: &str) -> Option<String> {
    let text = text.trim();
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    text.chars().all(legal).then(|| text.to_owned())
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
        for text in
            ["=", "!", ",", "a,", "a b", "a=b=c", "a in 1", "a in (1", "a at (1)", "in (1)", "a=é"]
        {
            assert!(Selector::parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
