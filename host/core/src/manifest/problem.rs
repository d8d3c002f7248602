//! Why a manifest cannot be used, in few words: the text becomes a log line, an Event, a condition.

/// The longest text, in bytes; a manifest may have a line of 64 KiB.
const LONGEST: usize = 1024 - "plugin.toml is not valid: ".len();

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The text is no TOML, or not of the format; the message points to the place.
    #[error("plugin.toml is not valid: {0}")]
    Syntax(String),
    /// The parts contradict each other.
    #[error("plugin.toml is not valid: {0}")]
    Meaning(String),
}

impl ManifestError {
    /// With the line that is wrong, unless that is too long: then with the place alone.
    pub(super) fn syntax(manifest: &str, error: &toml::de::Error) -> Self {
        if error.span().is_none() {
            // The reader's bound on nesting is the one complaint that has no place.
            let text = format!("tables or lists are nested too deep: {}", error.message());
            return Self::Syntax(short(&text));
        }
        let whole = error.to_string();
        if whole.len() <= LONGEST {
            return Self::Syntax(whole.trim_end().to_owned());
        }
        let at = error.span().map_or(0, |span| span.start);
        let before = manifest.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let text = format!("TOML parse error at line {line}, column {column}: {}", error.message());
        Self::Syntax(short(&text))
    }

    pub(super) fn meaning(text: &str) -> Self {
        Self::Meaning(short(text))
    }
}

/// The beginning of a text, with a mark if that is not all of it.
fn short(text: &str) -> String {
    const MORE: &str = "…";
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = (0..=LONGEST - MORE.len()).rev().find(|&end| text.is_char_boundary(end));
    format!("{}{MORE}", text.get(..end.unwrap_or(0)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use crate::manifest::Manifest;

    #[test]
    fn an_error_about_a_line_without_end_is_short_and_names_the_place() {
        let error = |text: &str| Manifest::parse(text).unwrap_err().to_string();
        let long = error(&format!("manifest = 1\n\n  x{} = 1", "x".repeat(50_000)));
        assert!(
            long.len() <= 1024 && long.contains("at line 3, column 3: unknown field"),
            "{long}"
        );
        assert!(long.ends_with('…'), "{long}");
        assert!(error("manifest = 1\n  x = 1").contains("  x = 1\n"), "the line itself is shown");
    }
}
