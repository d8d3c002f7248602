//! The frame in which a manifest lies in the component's custom section.

use sha2_const_stable::Sha256;

/// What the frame begins with.
pub const MAGIC: [u8; 8] = *b"JOCHMF01";

/// How many bytes come before the manifest: magic, length, SHA-256.
pub const HEADER: usize = MAGIC.len() + 4 + 32;

/// Magic, length (u32, little endian) and SHA-256 of the manifest, then the manifest.
///
/// `N` is [`HEADER`] and the manifest's length; anything else does not compile in a constant.
pub const fn frame<const N: usize>(manifest: &[u8]) -> [u8; N] {
    assert!(N == HEADER + manifest.len(), "the frame's size is not the header and the manifest");
    assert!(manifest.len() <= u32::MAX as usize, "the manifest is too long for the frame");
    let mut frame = [0; N];
    let (magic, rest) = frame.split_at_mut(MAGIC.len());
    magic.copy_from_slice(&MAGIC);
    let (length, rest) = rest.split_at_mut(4);
    length.copy_from_slice(&(manifest.len() as u32).to_le_bytes());
    let (digest, body) = rest.split_at_mut(32);
    digest.copy_from_slice(&Sha256::new().update(manifest).finalize());
    body.copy_from_slice(manifest);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_magic_length_digest_manifest() {
        const FRAME: [u8; HEADER + 3] = frame(b"abc");
        assert_eq!(FRAME[..8], *b"JOCHMF01");
        assert_eq!(FRAME[8..12], [3, 0, 0, 0]);
        // SHA-256 of "abc", from FIPS 180-2.
        assert_eq!(FRAME[12..16], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(FRAME[40..44], [0xf2, 0x00, 0x15, 0xad]);
        assert_eq!(FRAME[44..], *b"abc");
    }
}
