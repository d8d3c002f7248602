//! How much a guest may log in one call.

use std::fmt::Write as _;

use tracing::Level;

/// The `target` of every line that a guest writes.
const TARGET: &str = "guest";
const MESSAGE: usize = 8 << 10;
const FIELDS: usize = 16;
const VALUE: usize = 1 << 10;
const KEY: usize = 128;

/// Lines left, and lines dropped.
#[derive(Debug)]
pub(crate) struct LogBudget {
    left: u32,
    dropped: u64,
}

impl LogBudget {
    pub(crate) fn new(lines: u32) -> Self {
        Self { left: lines, dropped: 0 }
    }

    /// Writes one line, cut to its bounds, or counts it as dropped.
    pub(crate) fn write(&mut self, level: Level, message: &str, fields: &[(String, String)]) {
        if !enabled(level) {
            return;
        }
        let Some(left) = self.left.checked_sub(1) else {
            self.dropped = self.dropped.saturating_add(1);
            return;
        };
        self.left = left;
        emit(level, cut(message, MESSAGE), &render(fields));
    }

    /// Says how many lines were dropped, if any were.
    pub(crate) fn finish(&self) {
        if self.dropped > 0 {
            tracing::warn!(target: TARGET, dropped = self.dropped, "log lines beyond the limit were dropped");
        }
    }
}

/// Whether a line of that level would be kept.
pub(crate) fn enabled(level: Level) -> bool {
    match level {
        Level::TRACE => tracing::enabled!(target: TARGET, Level::TRACE),
        Level::DEBUG => tracing::enabled!(target: TARGET, Level::DEBUG),
        Level::INFO => tracing::enabled!(target: TARGET, Level::INFO),
        Level::WARN => tracing::enabled!(target: TARGET, Level::WARN),
        Level::ERROR => tracing::enabled!(target: TARGET, Level::ERROR),
    }
}

fn emit(level: Level, message: &str, fields: &str) {
    let fields = (!fields.is_empty()).then_some(fields);
    match level {
        Level::TRACE => tracing::trace!(target: TARGET, fields, "{message}"),
        Level::DEBUG => tracing::debug!(target: TARGET, fields, "{message}"),
        Level::INFO => tracing::info!(target: TARGET, fields, "{message}"),
        Level::WARN => tracing::warn!(target: TARGET, fields, "{message}"),
        Level::ERROR => tracing::error!(target: TARGET, fields, "{message}"),
    }
}

/// `key="value" …`, quoted so that no value can pretend to be another field.
fn render(fields: &[(String, String)]) -> String {
    let mut text = String::new();
    for (key, value) in fields.iter().take(FIELDS) {
        let gap = if text.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        let _ = write!(text, "{gap}{}={:?}", cut(key, KEY), cut(value, VALUE));
    }
    text
}

/// The longest beginning of `text` that has at most `bytes` bytes and ends between two characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("abc", 5), "abc");
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("aä", 2), "a");
    }

    #[test]
    fn fields_are_quoted_and_bounded() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(render(&[pair("a", "1"), pair("b", "x\" y=\n")]), r#"a="1" b="x\" y=\n""#);
        let many = vec![pair("k", &"v".repeat(VALUE + 1)); FIELDS + 1];
        assert_eq!(render(&many).matches("k=").count(), FIELDS);
        assert!(render(&many).len() < FIELDS * (VALUE + 8));
    }
}
