//! Finds the manifest in a component's bytes without running anything.

use joch_core::frame::{self, FrameError, SECTION};
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

/// How deep modules and components may be nested below the outermost component.
const MAX_DEPTH: usize = 4;

/// Why a file is no plugin. Each is one sentence that tells the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    /// No bytes at all.
    #[error("the file is empty (is it still being written?)")]
    Empty,
    /// The bytes are no WebAssembly.
    #[error("the file is no WebAssembly: it does not begin with the bytes \"\\0asm\"")]
    NotWasm,
    /// A core module.
    #[error(
        "the file is a core module, not a component: build it for wasm32-wasip2, or convert it with \
         `wasm-tools component new`"
    )]
    CoreModule,
    /// The bytes are cut off or break a rule of the format.
    #[error("the file is no valid component (is it still being written?): {0}")]
    Invalid(String),
    /// Nesting beyond the bound.
    #[error("the component nests modules and components more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// There is no manifest.
    #[error(
        "the component holds no manifest: export the controllers with `joch_plugin::plugin!`, which \
         embeds plugin.toml, or add it with `joch plugin pack`"
    )]
    Missing,
    /// There are several manifests at the same place.
    #[error("the component holds {0} manifests in {1}: pack it anew with `joch plugin pack`")]
    Several(usize, &'static str),
    /// The section is damaged.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Validates a component but for the bodies of its functions, and reads its manifest's text.
///
/// The section of the outermost component counts; without one, the only one among the core modules
/// inside does, where a linker leaves it.
///
/// # Errors
/// One per way in which a file fails to be a plugin; see [`SectionError`].
pub fn manifest_text(bytes: &[u8]) -> Result<String, SectionError> {
    check_preamble(bytes)?;
    let invalid = |error: wasmparser::BinaryReaderError| SectionError::Invalid(error.to_string());
    // Bodies of functions are left to the compiler, which validates them in any case: nine tenths of the time.
    let mut validator = Validator::new_with_features(WasmFeatures::default());

    let (mut outermost, mut embedded) = (Vec::new(), Vec::new());
    let mut nesting: Vec<Encoding> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(invalid)?;
        validator.payload(&payload).map_err(invalid)?;
        match payload {
            Payload::Version { encoding, .. } => nesting.push(encoding),
            Payload::End(_) => drop(nesting.pop()),
            Payload::CustomSection(section) if section.name() == SECTION => {
                match nesting.as_slice() {
                    [_] => outermost.push(section.data()),
                    [.., Encoding::Module] => embedded.push(section.data()),
                    _ => {}
                }
            }
            _ => {}
        }
        if nesting.len() > MAX_DEPTH + 1 {
            return Err(SectionError::TooDeep);
        }
    }
    let section = match (outermost.as_slice(), embedded.as_slice()) {
        ([only], _) | ([], [only]) => only,
        ([], []) => return Err(SectionError::Missing),
        ([], several) => return Err(SectionError::Several(several.len(), "its core modules")),
        (several, _) => return Err(SectionError::Several(several.len(), "its outermost part")),
    };
    Ok(frame::decode(section)?.to_owned())
}

/// Tells a component from a core module from anything else, by the first eight bytes.
pub(crate) fn check_preamble(bytes: &[u8]) -> Result<(), SectionError> {
    if bytes.is_empty() {
        return Err(SectionError::Empty);
    }
    let rest = bytes.strip_prefix(b"\0asm").ok_or(SectionError::NotWasm)?;
    if rest.starts_with(&[1, 0, 0, 0]) { Err(SectionError::CoreModule) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(text: &str) -> String {
        let frame = frame::encode(text).unwrap();
        let escaped: String = frame.iter().map(|byte| format!("\\{byte:02x}")).collect();
        format!("(@custom \"{SECTION}\" \"{escaped}\")")
    }

    fn read(wat: &str) -> Result<String, SectionError> {
        manifest_text(&wat::parse_str(wat).unwrap())
    }

    #[test]
    fn the_outermost_section_wins_over_those_inside() {
        let (outer, inner) = (custom("outer"), custom("inner"));
        let wat = format!("(component (core module {inner}) (core module {inner}) {outer})");
        assert_eq!(read(&wat).unwrap(), "outer");
    }

    #[test]
    fn a_single_section_in_a_core_module_is_found_at_any_allowed_depth() {
        let module = format!("(core module {})", custom("inner"));
        assert_eq!(read(&format!("(component {module})")).unwrap(), "inner");
        let nested = format!("(component (component (component {module})))");
        assert_eq!(read(&nested).unwrap(), "inner");
        let deep = format!("(component (component (component (component (component {module})))))");
        assert_eq!(read(&deep), Err(SectionError::TooDeep));
    }

    #[test]
    fn a_section_of_a_nested_component_does_not_speak_for_the_whole() {
        assert_eq!(
            read(&format!("(component (component {}))", custom("part"))),
            Err(SectionError::Missing)
        );
    }

    #[test]
    fn several_sections_are_refused_with_their_place() {
        let one = custom("x");
        let inside = read(&format!("(component (core module {one}) (core module {one}))"));
        assert_eq!(inside, Err(SectionError::Several(2, "its core modules")));
        let outside = read(&format!("(component {one} {one})"));
        assert_eq!(outside, Err(SectionError::Several(2, "its outermost part")));
    }

    #[test]
    fn what_is_no_component_is_told_so() {
        assert_eq!(manifest_text(b""), Err(SectionError::Empty));
        assert_eq!(manifest_text(b"#!/bin/sh"), Err(SectionError::NotWasm));
        assert_eq!(read("(module)"), Err(SectionError::CoreModule));
        assert_eq!(read("(component)"), Err(SectionError::Missing));
        let whole = wat::parse_str(format!("(component (core module) {})", custom("x"))).unwrap();
        for length in [4, 9, whole.len() / 2, whole.len() - 1] {
            let error = manifest_text(&whole[..length]).unwrap_err();
            assert!(matches!(error, SectionError::Invalid(_)), "{length}: {error}");
        }
        let damaged = read(&format!("(component (@custom \"{SECTION}\" \"JOCHMF01\"))"));
        assert_eq!(damaged, Err(SectionError::Frame(FrameError::Truncated(8))));
    }
}
