//! Inputs that are nearly right: a sample with a few edits.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Takes some bytes out at a place, and puts others in: flips, cuts, repeats, insertions.
#[derive(Debug, Clone)]
struct Edit {
    /// Where, in 65536ths of the length.
    at: u16,
    take: usize,
    put: Vec<u8>,
}

fn apply(mut bytes: Vec<u8>, edits: Vec<Edit>) -> Vec<u8> {
    for Edit { at, take, put } in edits {
        let start = bytes.len() * usize::from(at) / 65_536;
        let end = bytes.len().min(start.saturating_add(take));
        bytes.splice(start..end, put);
    }
    bytes
}

fn edits(words: &[&str]) -> impl Strategy<Value = Vec<Edit>> + use<> {
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    let put = prop_oneof![
        2 => Just(Vec::new()),
        4 => vec(any::<u8>(), 1..4),
        4 => select(words),
    ];
    let take = prop_oneof![4 => Just(0), 4 => 1..4_usize, 2 => 1..200_usize, 1 => Just(usize::MAX)];
    let edit = (any::<u16>(), take, put).prop_map(|(at, take, put)| Edit { at, take, put });
    vec(edit, 0..6)
}

/// One of `samples` after a few edits; `words` are put in more often than anything else.
pub fn edited_bytes(
    samples: Vec<Vec<u8>>,
    words: &[&str],
) -> impl Strategy<Value = Vec<u8>> + use<> {
    (select(samples), edits(words)).prop_map(|(sample, edits)| apply(sample, edits))
}

/// The same for text; what is no UTF-8 afterwards is replaced.
pub fn edited_text(samples: &[&str], words: &[&str]) -> impl Strategy<Value = String> + use<> {
    let samples = samples.iter().map(|sample| sample.as_bytes().to_vec()).collect();
    edited_bytes(samples, words).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}
