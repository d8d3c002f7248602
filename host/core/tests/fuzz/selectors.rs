//! Selectors against the API server's own grammar, written down a second time: a scanner and a parser as in
//! `k8s.io/apimachinery/pkg/labels`, without its `<` and `>`, which Joch does not offer.

use std::collections::BTreeMap;

use joch_core::selector::Selector;
use joch_fuzz::{Target, edited_text};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use crate::KEPT;

#[derive(Debug, Clone, PartialEq)]
struct Term {
    key: String,
    /// Among these; none: present at all.
    values: Option<Vec<String>>,
    /// Or the opposite.
    holds: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Sign(&'static str),
}

/// The scanner: words are whatever stands between signs and blanks.
fn scan(text: &str) -> Option<Vec<Token>> {
    const SIGNS: [&str; 7] = ["!=", "==", "=", "!", "(", ")", ","];
    let special = |c: char| "!=(),<>".contains(c);
    let blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let mut rest = text.trim_start_matches(blank);
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let end = if special(first) {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign))?;
            tokens.push(Token::Sign(sign));
            sign.len()
        } else {
            let end = rest.find(|c| special(c) || blank(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            end
        };
        rest = rest[end..].trim_start_matches(blank);
    }
    Some(tokens)
}

fn parse(text: &str) -> Option<Vec<Term>> {
    let tokens = scan(text)?;
    let mut tokens = tokens.as_slice();
    let mut terms = Vec::new();
    if tokens.is_empty() {
        return Some(terms);
    }
    loop {
        terms.push(term(&mut tokens)?);
        match tokens {
            [] => return Some(terms),
            [Token::Sign(","), rest @ ..] => tokens = rest,
            _ => return None,
        }
    }
}

fn term(tokens: &mut &[Token]) -> Option<Term> {
    use Token::{Sign, Word};
    let (key, values, holds, rest) = match *tokens {
        [Sign("!"), Word(key), rest @ ..] => (key, None, false, rest),
        [Word(key), Word(operator), rest @ ..] => {
            let holds = match operator.as_str() {
                "in" => true,
                "notin" => false,
                _ => return None,
            };
            let (values, rest) = list(rest)?;
            (key, Some(values), holds, rest)
        }
        [Word(key), Sign(sign @ ("=" | "==" | "!=")), rest @ ..] => {
            let (value, rest) = match rest {
                [Word(value), rest @ ..] => (value.clone(), rest),
                [] | [Sign(","), ..] => (String::new(), rest),
                _ => return None,
            };
            (key, Some(vec![value]), *sign != "!=", rest)
        }
        [Word(key), rest @ ..] => (key, None, true, rest),
        _ => return None,
    };
    *tokens = rest;
    let legal = is_key(key) && values.iter().flatten().all(|value| is_value(value));
    legal.then(|| Term { key: key.clone(), values, holds })
}

/// The values between brackets; an empty place is the empty value.
fn list(tokens: &[Token]) -> Option<(Vec<String>, &[Token])> {
    let [Token::Sign("("), rest @ ..] = tokens else { return None };
    let mut values = vec![String::new()];
    let (mut rest, mut filled) = (rest, false);
    loop {
        match rest {
            [Token::Word(word), more @ ..] if !filled => {
                word.clone_into(values.last_mut()?);
                (rest, filled) = (more, true);
            }
            [Token::Sign(","), more @ ..] => {
                values.push(String::new());
                (rest, filled) = (more, false);
            }
            [Token::Sign(")"), more @ ..] => return Some((values, more)),
            _ => return None,
        }
    }
}

/// `IsQualifiedName`: a name, before it a DNS subdomain and a slash if it has one.
fn is_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let label = |label: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty()
            && label.chars().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let subdomain = |text: &str| text.len() <= 253 && text.split('.').all(label);
    prefix.is_none_or(subdomain) && !name.is_empty() && is_value(name)
}

fn is_value(value: &str) -> bool {
    let outer = |c: char| c.is_ascii_alphanumeric();
    let inner = |c: char| outer(c) || "-_.".contains(c);
    value.len() <= 63
        && value.chars().all(inner)
        && value.starts_with(outer) != value.is_empty()
        && value.ends_with(outer) != value.is_empty()
}

impl Term {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let label = labels.get(&self.key);
        let meets = match &self.values {
            None => label.is_some(),
            Some(values) => label.is_some_and(|label| values.contains(label)),
        };
        meets == self.holds
    }

    /// The one way of writing it.
    fn print(&self) -> String {
        let Self { key, values, holds } = self;
        match (values, holds) {
            (None, true) => key.clone(),
            (None, false) => format!("!{key}"),
            (Some(values), true) => format!("{key} in ({})", values.join(",")),
            (Some(values), false) => format!("{key} notin ({})", values.join(",")),
        }
    }
}

type Labels = BTreeMap<String, String>;

fn agrees((text, labels): &(String, Labels)) {
    let (ours, theirs) = (Selector::parse(text), parse(text));
    match (ours, theirs) {
        (Err(error), None) => assert!(error.to_string().len() < 2 * text.len() + 100, "{error}"),
        (Ok(ours), Some(theirs)) => {
            let matches = theirs.iter().all(|term| term.matches(labels));
            assert_eq!(ours.matches(labels), matches, "{text:?} on {labels:?}");
            let printed: Vec<String> = theirs.iter().map(Term::print).collect();
            let again = Selector::parse(&printed.join(",")).expect("what was read is printed");
            assert_eq!(again.matches(labels), matches, "{printed:?} is another selector");
        }
        (ours, theirs) => panic!("{text:?}: {ours:?}, the API server: {theirs:?}"),
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(&["a", "b", "x.io/y", "in", "notin", "1", "v-2", "A_b"][..]).prop_map(str::to_owned),
        1 => "[-_./a-z0-9A-Z]{0,5}",
        1 => (60..66_usize).prop_map(|length| "l".repeat(length)),
        1 => (250..256_usize).prop_map(|length| format!("{}/a", "d".repeat(length))),
    ]
}

/// Words and signs in an order that has a meaning more often than not.
fn text() -> impl Strategy<Value = String> {
    let blank = || select(&["", "", "", " ", "\t", "  ", "\n", "\u{a0}"][..]);
    let list = (vec(word(), 0..4), select(&["in", "notin"][..]));
    let term = prop_oneof![
        word(),
        word().prop_map(|key| format!("!{key}")),
        (word(), blank(), select(&["=", "==", "!=", "===", ">"][..]), blank(), word())
            .prop_map(|(key, a, sign, b, value)| format!("{key}{a}{sign}{b}{value}")),
        (word(), list, blank(), blank()).prop_map(|(key, (values, operator), a, b)| {
            format!("{key} {a}{operator}{b}({})", values.join(&format!("{a},{b}")))
        }),
    ];
    let well = (vec(term, 0..4), blank())
        .prop_map(|(terms, blank)| format!("{blank}{}{blank}", terms.join(&format!("{blank},"))));
    let signs = ["=", "!", "(", ")", ",", " in ", " notin ", " ", "\u{a0}", "é", "a"];
    let ill = edited_text(&["a=b,c!=d,e in (f,g),h,!i", "a notin (,b), x.io/y"], &signs);
    prop_oneof![3 => well, 1 => ill]
}

#[test]
fn selectors_are_read_as_the_api_server_reads_them() {
    let values = prop_oneof![Just(String::new()), word()];
    let inputs = (text(), btree_map(word(), values, 0..4));
    Target { name: "selector", kept: KEPT, cases: 40_000 }.hold(&inputs, agrees);
}
