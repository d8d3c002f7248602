//! How much of each object of a kind the host keeps and hands over: the manifest's field mask (design
//! decision 3).

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The most pointers of one mask.
const MOST: usize = 32;
/// The longest pointer, in bytes.
const LONGEST: usize = 256;

/// How much of each object of a kind the host keeps, and hands over unless it is asked for a live read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum WatchData {
    /// `apiVersion`, `kind` and `metadata`: the API server does not send more. Every change of an object
    /// is told.
    Metadata,
    /// These, and the fields that the JSON pointers (RFC 6901) name; a list on the way is taken whole. A
    /// change of other fields alone is told to nobody.
    Fields(BTreeSet<String>),
    /// The whole object.
    #[default]
    Full,
}

impl WatchData {
    /// As much as both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Full, _) | (_, Self::Full) => Self::Full,
            (Self::Metadata, other) => other,
            (own, Self::Metadata) => own,
            (Self::Fields(mut own), Self::Fields(other)) => {
                own.extend(other);
                Self::Fields(own)
            }
        }
    }

    /// As much, and the field `pointer` as well.
    #[must_use]
    pub fn and_field(self, pointer: &str) -> Self {
        self.and(Self::Fields(BTreeSet::from([pointer.to_owned()])))
    }

    /// Whether the field is kept, all of it.
    #[must_use]
    pub fn keeps(&self, pointer: &str) -> bool {
        let leads_to = |kept: &String| {
            let rest = pointer.strip_prefix(kept.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match self {
            Self::Metadata => false,
            Self::Fields(pointers) => pointers.iter().any(leads_to),
            Self::Full => true,
        }
    }
}

impl fmt::Display for WatchData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metadata => f.write_str("metadata only"),
            Self::Fields(pointers) => {
                let pointers: Vec<_> = pointers.iter().map(String::as_str).collect();
                write!(f, "only {}", pointers.join(" "))
            }
            Self::Full => f.write_str("whole"),
        }
    }
}

impl<'de> Deserialize<'de> for WatchData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Spelling)
    }
}

struct Spelling;

impl<'de> Visitor<'de> for Spelling {
    type Value = WatchData;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"full\", \"metadata\", or a list of JSON pointers as [\"/data/text\"]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<WatchData, E> {
        match text {
            "full" => Ok(WatchData::Full),
            "metadata" => Ok(WatchData::Metadata),
            other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<WatchData, A::Error> {
        let mut pointers = BTreeSet::new();
        while let Some(pointer) = list.next_element::<String>()? {
            check(&pointer).map_err(A::Error::custom)?;
            pointers.insert(pointer);
            if pointers.len() > MOST {
                let text = format!("data names more than {MOST} fields; take \"full\"");
                return Err(A::Error::custom(text));
            }
        }
        if pointers.is_empty() {
            return Err(A::Error::custom("data names no field; that is \"metadata\""));
        }
        Ok(WatchData::Fields(pointers))
    }
}

/// Whether a text points to a field that is not kept anyway.
fn check(pointer: &str) -> Result<(), String> {
    let short: String = pointer.chars().take(64).collect();
    if pointer.len() > LONGEST {
        return Err(format!("data: {short:?}… has more than {LONGEST} bytes"));
    }
    let mut names = pointer.split('/');
    if names.next() != Some("") || pointer.len() < 2 {
        return Err(format!("data: {short:?} is no JSON pointer, as \"/data/text\""));
    }
    if pointer.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
        return Err(format!("data: {short:?}: of a name, ~ is written ~0 and / is written ~1"));
    }
    match names.next() {
        Some("apiVersion" | "kind" | "metadata") => {
            Err(format!("data: {short:?} is kept anyway; leave it out"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Entry {
        data: WatchData,
    }

    fn read(text: &str) -> Result<WatchData, String> {
        let entry = toml::from_str::<Entry>(&format!("data = {text}"));
        entry.map(|entry| entry.data).map_err(|error| error.to_string())
    }

    fn fields(pointers: &[&str]) -> WatchData {
        WatchData::Fields(pointers.iter().map(|pointer| (*pointer).to_owned()).collect())
    }

    #[test]
    fn three_spellings_are_read() {
        assert_eq!(read("\"full\""), Ok(WatchData::Full));
        assert_eq!(read("\"metadata\""), Ok(WatchData::Metadata));
        let pointers = r#"["/spec/a", "/data/x~1y", "/spec/a"]"#;
        assert_eq!(read(pointers), Ok(fields(&["/data/x~1y", "/spec/a"])));
    }

    #[test]
    fn what_is_no_mask_is_refused_with_the_way_out() {
        let many: Vec<String> = (0..=MOST).map(|number| format!("\"/f{number}\"")).collect();
        let table = [
            ("\"half\"".to_owned(), "\"full\", \"metadata\""),
            ("7".to_owned(), "a list of JSON pointers"),
            ("[]".to_owned(), "that is \"metadata\""),
            ("[\"spec\"]".to_owned(), "\"spec\" is no JSON pointer"),
            ("[\"\"]".to_owned(), "is no JSON pointer"),
            ("[\"/\"]".to_owned(), "is no JSON pointer"),
            ("[\"/a~2\"]".to_owned(), "~0"),
            ("[\"/a~\"]".to_owned(), "~0"),
            ("[\"/metadata/labels\"]".to_owned(), "kept anyway"),
            ("[\"/kind\"]".to_owned(), "kept anyway"),
            (format!("[\"/{}\"]", "x".repeat(LONGEST)), "more than 256 bytes"),
            (format!("[{}]", many.join(", ")), "more than 32 fields"),
        ];
        for (text, part) in table {
            let error = read(&text).unwrap_err();
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    }

    #[test]
    fn together_they_keep_what_each_keeps() {
        let (metadata, full) = (WatchData::Metadata, WatchData::Full);
        assert_eq!(fields(&["/a"]).and(fields(&["/b"])), fields(&["/a", "/b"]));
        for (one, other, both) in [
            (metadata.clone(), metadata.clone(), metadata.clone()),
            (metadata.clone(), fields(&["/a"]), fields(&["/a"])),
            (fields(&["/a"]), full.clone(), full.clone()),
            (metadata.clone(), full.clone(), full.clone()),
        ] {
            assert_eq!(one.clone().and(other.clone()), both);
            assert_eq!(other.and(one), both);
        }
        assert_eq!(metadata.clone().and_field("/status"), fields(&["/status"]));
        assert_eq!(full.clone().and_field("/status"), full);
    }

    #[test]
    fn a_field_is_kept_with_the_one_that_it_is_in() {
        let table = [
            (WatchData::Metadata, false),
            (WatchData::Full, true),
            (fields(&["/status"]), true),
            (fields(&["/status/list"]), true),
            (fields(&["/status/list/0"]), false),
            (fields(&["/status/lis", "/stat"]), false),
        ];
        for (data, kept) in table {
            assert_eq!(data.keeps("/status/list"), kept, "{data}");
        }
    }
}
