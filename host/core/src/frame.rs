//! The frame round a manifest in a component's custom section.
//!
//! A linker may concatenate sections of one name, and a packer may truncate them; so the TOML text is
//! framed: magic, length (little endian), SHA-256, text. Anything else in the section is an error.

use sha2::{Digest as _, Sha256};

/// The custom section's name.
pub const SECTION: &str = "joch:manifest";
/// The first eight bytes of a frame.
pub const MAGIC: &[u8; 8] = b"JOCHMF01";
/// The longest manifest that is accepted, in bytes.
pub const MAX_TEXT: usize = 64 << 10;
const HEADER: usize = 8 + 4 + 32;

/// Why a section holds no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The section is shorter than a frame's header or its stated length.
    #[error("the manifest section is cut off ({0} bytes)")]
    Truncated(usize),
    /// The section does not begin with the magic bytes.
    #[error("the manifest section does not start with {:?}", String::from_utf8_lossy(MAGIC))]
    Magic,
    /// The text is longer than the limit.
    #[error("the manifest has {0} bytes, more than {MAX_TEXT}")]
    TooLong(usize),
    /// Bytes follow the frame: two sections were concatenated.
    #[error("{0} bytes follow the manifest: two manifests were linked into one module")]
    Trailing(usize),
    /// The checksum does not match the text.
    #[error("the manifest's checksum does not match its text")]
    Checksum,
    /// The text is not UTF-8.
    #[error("the manifest is not UTF-8")]
    Encoding,
}

/// Frames a manifest's text.
///
/// # Errors
/// [`FrameError::TooLong`] if the text exceeds [`MAX_TEXT`].
pub fn encode(text: &str) -> Result<Vec<u8>, FrameError> {
    let length = u32::try_from(text.len()).map_err(|_| FrameError::TooLong(text.len()))?;
    if text.len() > MAX_TEXT {
        return Err(FrameError::TooLong(text.len()));
    }
    let mut frame = Vec::with_capacity(HEADER + text.len());
    frame.extend_from_slice(MAGIC);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&Sha256::digest(text.as_bytes()));
    frame.extend_from_slice(text.as_bytes());
    Ok(frame)
}

/// Reads the text out of a frame that fills `section` exactly.
///
/// # Errors
/// One per way in which a section can be damaged; see [`FrameError`].
pub fn decode(section: &[u8]) -> Result<&str, FrameError> {
    let truncated = || FrameError::Truncated(section.len());
    let (magic, rest) = section.split_first_chunk::<8>().ok_or_else(truncated)?;
    if magic != MAGIC {
        return Err(FrameError::Magic);
    }
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(truncated)?;
    let (checksum, rest) = rest.split_first_chunk::<32>().ok_or_else(truncated)?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_TEXT {
        return Err(FrameError::TooLong(length));
    }
    let (text, trailing) = rest.split_at_checked(length).ok_or_else(truncated)?;
    if !trailing.is_empty() {
        return Err(FrameError::Trailing(trailing.len()));
    }
    if Sha256::digest(text).as_slice() != checksum {
        return Err(FrameError::Checksum);
    }
    std::str::from_utf8(text).map_err(|_| FrameError::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_framed_is_read_back() {
        for text in ["", "manifest = 1", &"ä".repeat(1000)] {
            assert_eq!(decode(&encode(text).unwrap()), Ok(text));
        }
    }

    #[test]
    fn every_damage_is_named() {
        let frame = encode("manifest = 1").unwrap();
        let twice = [frame.clone(), frame.clone()].concat();
        let mut flipped = frame.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(decode(&frame[..20]), Err(FrameError::Truncated(20)));
        assert_eq!(decode(&frame[..frame.len() - 1]), Err(FrameError::Truncated(frame.len() - 1)));
        assert_eq!(decode(b"something else"), Err(FrameError::Magic));
        assert_eq!(decode(&twice), Err(FrameError::Trailing(frame.len())));
        assert_eq!(decode(&flipped), Err(FrameError::Checksum));
        assert_eq!(encode(&"x".repeat(MAX_TEXT + 1)), Err(FrameError::TooLong(MAX_TEXT + 1)));
    }
}
