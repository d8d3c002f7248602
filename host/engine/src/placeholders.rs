//! The texts that stand for values of Secrets during one call.

use std::collections::HashMap;

use http::{HeaderMap, HeaderName};
use joch_core::port::{KubeError, SecretRef};

/// Placeholders that one call may hold.
const MOST: usize = 64;
/// What every placeholder begins with.
const PREFIX: &str = "joch-secret-";
/// Hexadecimal digits after the prefix.
const DIGITS: usize = 32;

/// The placeholders of one call. They are random, so that none can be guessed, and die with the call.
#[derive(Debug, Default)]
pub(crate) struct Placeholders(HashMap<String, SecretRef>);

/// A header that holds placeholders.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// The header's name.
    pub(crate) header: HeaderName,
    /// Which of the request's header lines it is.
    pub(crate) index: usize,
    /// Its value.
    pub(crate) parts: Vec<Part>,
}

/// A part of a header's value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What stays as it is.
    Text(Vec<u8>),
    /// What a Secret's value is put for.
    Secret(SecretRef),
}

impl Placeholders {
    /// A text that stands for `secret` from now on.
    ///
    /// # Errors
    /// [`KubeError::OverLimit`] if the call holds too many.
    pub(crate) fn mint(&mut self, secret: SecretRef) -> Result<String, KubeError> {
        if self.0.len() >= MOST {
            return Err(KubeError::OverLimit(format!("{MOST} placeholders of Secrets per call")));
        }
        let text = format!("{PREFIX}{:0DIGITS$x}", rand::random::<u128>());
        self.0.insert(text.clone(), secret);
        Ok(text)
    }

    /// The headers that hold placeholders.
    ///
    /// # Errors
    /// [`KubeError::Invalid`] for one that this call did not get: a server could do nothing with it.
    pub(crate) fn in_headers(&self, headers: &HeaderMap) -> Result<Vec<Template>, KubeError> {
        let mut found = Vec::new();
        for (index, (header, value)) in headers.iter().enumerate() {
            let parts = self.split(value.as_bytes())?;
            if parts.iter().any(|part| matches!(part, Part::Secret(_))) {
                found.push(Template { header: header.clone(), index, parts });
            }
        }
        Ok(found)
    }

    fn split(&self, mut rest: &[u8]) -> Result<Vec<Part>, KubeError> {
        let mut parts = Vec::new();
        while let Some(start) = find(rest) {
            let (plain, from) = rest.split_at(start);
            let (text, after) = from.split_at(from.len().min(PREFIX.len() + DIGITS));
            let held = std::str::from_utf8(text).ok().and_then(|text| self.0.get(text));
            let Some(secret) = held else {
                let text = "a header holds a placeholder of a Secret that this call did not get";
                return Err(KubeError::Invalid(text.to_owned()));
            };
            parts.push(Part::Text(plain.to_vec()));
            parts.push(Part::Secret(secret.clone()));
            rest = after;
        }
        parts.push(Part::Text(rest.to_vec()));
        Ok(parts)
    }
}

/// Where the next placeholder begins.
fn find(text: &[u8]) -> Option<usize> {
    text.windows(PREFIX.len()).position(|window| window == PREFIX.as_bytes())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn secret(name: &str) -> SecretRef {
        SecretRef { namespace: None, name: name.to_owned(), key: "token".to_owned() }
    }

    #[test]
    fn placeholders_are_found_wherever_they_stand_in_a_header() {
        let mut placeholders = Placeholders::default();
        let one = placeholders.mint(secret("one")).unwrap();
        let two = placeholders.mint(secret("two")).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("accept", "*/*".to_owned()), ("authorization", format!("Bearer {one}{two}!"))]
        {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap());
        }
        let found = placeholders.in_headers(&headers).unwrap();
        let [template] = found.as_slice() else { panic!("one header expected: {found:?}") };
        let expected = vec![
            Part::Text(b"Bearer ".to_vec()),
            Part::Secret(secret("one")),
            Part::Text(Vec::new()),
            Part::Secret(secret("two")),
            Part::Text(b"!".to_vec()),
        ];
        assert_eq!((template.index, &template.parts), (1, &expected));
    }

    #[test]
    fn a_placeholder_of_another_call_is_refused() {
        let other = Placeholders::default().mint(secret("one")).unwrap();
        let mut placeholders = Placeholders::default();
        let own = placeholders.mint(secret("one")).unwrap();
        assert_ne!(own, other);
        let cut = own.get(..own.len() - 1).unwrap();
        for text in [other.as_str(), cut, PREFIX] {
            let headers = HeaderMap::from_iter([(
                http::header::COOKIE,
                HeaderValue::from_str(text).unwrap(),
            )]);
            assert!(placeholders.in_headers(&headers).is_err(), "{text}");
        }
    }

    #[test]
    fn a_call_holds_so_many_and_no_more() {
        let mut placeholders = Placeholders::default();
        assert!((0..MOST).all(|_| placeholders.mint(secret("one")).is_ok()));
        assert!(matches!(placeholders.mint(secret("one")), Err(KubeError::OverLimit(_))));
    }
}
