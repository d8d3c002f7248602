//! A plugin's file as a whole: bytes, digest and manifest; and how a manifest is put into a component.

use bytes::Bytes;
use joch_core::frame::{self, SECTION};
use joch_core::manifest::{Manifest, ManifestError};
use joch_core::name::Digest;
use wasmparser::BinaryReader;

use crate::section::{SectionError, check_preamble, manifest_text};

/// The largest file that is read, in bytes.
pub const MAX_FILE: u64 = 64 << 20;

/// Why bytes are no usable plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// The file is larger than allowed.
    #[error("the file has {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// The bytes are no component with a manifest.
    #[error(transparent)]
    Section(#[from] SectionError),
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// A plugin as it was read. Clones share the bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// The version: two packages with the same digest are the same.
    pub digest: Digest,
    /// What the plugin says about itself.
    pub manifest: Manifest,
    /// The component.
    pub bytes: Bytes,
}

impl Package {
    /// Reads a package: validates the component and its manifest, runs nothing.
    ///
    /// # Errors
    /// [`PackageError`], one sentence for the plugin's author.
    pub fn read(bytes: Vec<u8>) -> Result<Self, PackageError> {
        let size = bytes.len() as u64;
        if size > MAX_FILE {
            return Err(PackageError::TooLarge { size, limit: MAX_FILE });
        }
        let manifest = Manifest::parse(&manifest_text(&bytes)?)?;
        Ok(Self { digest: Digest::of(&bytes), manifest, bytes: bytes.into() })
    }

    /// The size of the file in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// Puts a manifest into the outermost part of a component, in place of one that is there.
///
/// # Errors
/// [`PackageError::Manifest`] if the text is no manifest, [`PackageError::Section`] if the bytes are no
/// component or the text is too long.
pub fn with_manifest(component: &[u8], manifest: &str) -> Result<Vec<u8>, PackageError> {
    Manifest::parse(manifest)?;
    check_preamble(component)?;
    let frame = frame::encode(manifest).map_err(SectionError::Frame)?;
    let mut packed =
        without_manifest(component).map_err(|error| SectionError::Invalid(error.to_string()))?;
    let name = leb128(SECTION.len()).into_iter().chain(SECTION.bytes());
    let body: Vec<u8> = name.chain(frame).collect();
    packed.push(0);
    packed.extend(leb128(body.len()));
    packed.extend(body);
    Ok(packed)
}

/// Copies all sections but the outermost manifests.
fn without_manifest(component: &[u8]) -> wasmparser::Result<Vec<u8>> {
    let mut reader = BinaryReader::new(component, 0);
    let mut kept = reader.read_bytes(8)?.to_vec();
    while !reader.eof() {
        let start = reader.current_position();
        let id = reader.read_u8()?;
        let size = reader.read_var_u32()?;
        let body = reader.read_bytes(size as usize)?;
        let manifest = id == 0 && BinaryReader::new(body, 0).read_string()? == SECTION;
        if !manifest {
            kept.extend(component.get(start..reader.current_position()).unwrap_or_default());
        }
    }
    Ok(kept)
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "manifest = 1\n[plugin]\nname = \"sample\"\nversion = \"1\"\n\
        kind = \"adapter\"\ntrack = \"0.1\"\n";

    fn component() -> Vec<u8> {
        wat::parse_str("(component (core module (func)) (@custom \"other\" \"kept\"))").unwrap()
    }

    #[test]
    fn a_packed_manifest_is_read_back_and_replaced() {
        let packed = with_manifest(&component(), MANIFEST).unwrap();
        let package = Package::read(packed.clone()).unwrap();
        assert_eq!(package.manifest.plugin.name.as_str(), "sample");
        assert_eq!(package.size(), packed.len() as u64);

        let newer = MANIFEST.replace("\"1\"", "\"2\"");
        let again = with_manifest(&packed, &newer).unwrap();
        assert_eq!(again.len(), packed.len());
        let repacked = Package::read(again).unwrap();
        assert_eq!(repacked.manifest.plugin.version, "2");
        assert_ne!(repacked.digest, package.digest);
        assert!(packed.windows(4).any(|window| window == b"kept"));
    }

    #[test]
    fn a_long_manifest_takes_a_long_length() {
        let long = format!("{MANIFEST}# {}\n", "x".repeat(40_000));
        let package = Package::read(with_manifest(&component(), &long).unwrap()).unwrap();
        assert_eq!(package.manifest.plugin.version, "1");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let core = wat::parse_str("(module)").unwrap();
        let table = [
            (with_manifest(&component(), "manifest = 9").map(drop), "plugin.toml"),
            (with_manifest(&core, MANIFEST).map(drop), "core module"),
            (with_manifest(b"junk", MANIFEST).map(drop), "no WebAssembly"),
            (with_manifest(b"\0asm\x0d\0\x01\0\x07\xff", MANIFEST).map(drop), "no valid component"),
            (Package::read(component()).map(drop), "no manifest"),
        ];
        for (result, part) in table {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    }
}
