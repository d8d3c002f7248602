//! What a plugin in shadow mode would have written: recorded and counted, never sent.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Mutex;

use joch_core::object::ObjectKey;

use crate::kinds::lock;

/// How many different writes are told apart; beyond that each counts as a new one.
const REMEMBERED: usize = 100_000;
/// How many of the last writes are kept for people.
const KEPT: usize = 50;
/// The longest description of a write, in bytes.
const LONGEST: usize = 512;

/// The writes of one version in shadow mode. The same write to the same object counts once: nothing it
/// writes comes true, so that it writes it again at every turn.
#[derive(Debug, Default)]
pub struct ShadowLog(Mutex<Record>);

#[derive(Debug, Default)]
struct Record {
    seen: HashSet<u64>,
    total: u64,
    recent: VecDeque<String>,
}

impl ShadowLog {
    /// How many different writes there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        lock(&self.0).total
    }

    /// The last `most` of them, the newest first.
    #[must_use]
    pub fn recent(&self, most: usize) -> Vec<String> {
        lock(&self.0).recent.iter().take(most).cloned().collect()
    }

    /// Records a write; whether it is a new one.
    pub(crate) fn record(&self, what: &str, target: &ObjectKey, body: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        (what, target, body).hash(&mut hasher);
        let mut record = lock(&self.0);
        if record.seen.len() >= REMEMBERED {
            record.seen.clear();
        }
        if !record.seen.insert(hasher.finish()) {
            return false;
        }
        record.total = record.total.saturating_add(1);
        record.recent.push_front(cut(format!("{what} {target} {body}")));
        record.recent.truncate(KEPT);
        true
    }
}

fn cut(mut text: String) -> String {
    if let Some(end) = (0..=LONGEST.min(text.len())).rev().find(|end| text.is_char_boundary(*end)) {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_write_counts_once_and_what_is_kept_is_bounded() {
        let log = ShadowLog::default();
        let key = |name: usize| ObjectKey {
            kind: "v1/ConfigMap".parse().unwrap(),
            namespace: Some("a".into()),
            name: name.to_string(),
        };
        assert!(log.record("apply", &key(0), "{}"));
        assert!(!log.record("apply", &key(0), "{}"));
        assert!(log.record("apply", &key(0), "{\"data\":{}}"));
        for number in 1..100 {
            log.record("create", &key(number), &"x".repeat(LONGEST));
        }
        assert_eq!(log.total(), 101);
        let recent = log.recent(usize::MAX);
        assert_eq!(recent.len(), KEPT);
        assert!(recent.iter().all(|text| text.len() <= LONGEST));
        assert!(recent[0].starts_with("create ConfigMap a/99 "), "{}", recent[0]);
        for number in 0..=REMEMBERED {
            log.record("delete", &key(number), "");
        }
        assert!(lock(&log.0).seen.len() <= REMEMBERED);
    }
}
