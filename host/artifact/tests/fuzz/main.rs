//! Fuzz targets: files that claim to be plugins. Nothing in them is run; what is read is what was packed, and
//! what is damaged is refused.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;

use joch_artifact::{Package, PackageError, SectionError, with_manifest};
use joch_core::frame::{self, SECTION};
use joch_core::manifest::Manifest;
use joch_fuzz::{Target, edited_bytes};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

const KEPT: &str = "tests/fuzz/kept";

const MANIFEST: &str = "manifest = 1\n[plugin]\nname = \"sample\"\nversion = \"1\"\nkind = \"adapter\"\n\
    track = \"0.1\"\n";

/// What is in a component, as data.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Part {
    /// A core module, with so many manifests.
    Module(u8),
    /// A component inside.
    Component(Vec<Self>),
    /// A manifest right here.
    Manifest,
    /// Another custom section.
    Other,
}

fn section(name: &str) -> String {
    let framed = frame::encode(MANIFEST).unwrap();
    let mut escaped = String::new();
    for byte in framed {
        write!(escaped, "\\{byte:02x}").unwrap();
    }
    format!("(@custom \"{name}\" \"{escaped}\")")
}

fn wat(parts: &[Part]) -> String {
    let inner = |part: &Part| match part {
        Part::Module(manifests) => {
            format!("(core module {} (func))", section(SECTION).repeat(usize::from(*manifests)))
        }
        Part::Component(parts) => wat(parts),
        Part::Manifest => section(SECTION),
        Part::Other => section("other"),
    };
    format!("(component {})", parts.iter().map(inner).collect::<String>())
}

/// How deep the modules and components below the outermost one go.
fn depth(parts: &[Part]) -> usize {
    let below = |part: &Part| match part {
        Part::Module(_) => 1,
        Part::Component(parts) => 1 + depth(parts),
        Part::Manifest | Part::Other => 0,
    };
    parts.iter().map(below).max().unwrap_or_default()
}

fn embedded(parts: &[Part]) -> usize {
    let within = |part: &Part| match part {
        Part::Module(manifests) => usize::from(*manifests),
        Part::Component(parts) => embedded(parts),
        Part::Manifest | Part::Other => 0,
    };
    parts.iter().map(within).sum()
}

fn the_right_manifest_is_found(parts: &[Part]) {
    let component = wat::parse_str(wat(parts)).unwrap();
    let outermost = parts.iter().filter(|part| matches!(part, Part::Manifest)).count();
    let several = |count, place| Err(PackageError::Section(SectionError::Several(count, place)));
    let expected = match (depth(parts), outermost, embedded(parts)) {
        (5.., _, _) => Err(PackageError::Section(SectionError::TooDeep)),
        (_, 0, 0) => Err(PackageError::Section(SectionError::Missing)),
        (_, 1, _) | (_, 0, 1) => Ok("sample".to_owned()),
        (_, 0, many) => several(many, "its core modules"),
        (_, many, _) => several(many, "its outermost part"),
    };
    let name = |package: Package| package.manifest.plugin.name.to_string();
    assert_eq!(Package::read(component.clone()).map(name), expected);
    // Whatever was there, a manifest that is packed is the one that is read.
    let packed = with_manifest(&component, &MANIFEST.replace("sample", "packed")).unwrap();
    let read = Package::read(packed.clone());
    if depth(parts) < 5 {
        let read = read.unwrap();
        assert_eq!(
            (name(read.clone()), read.bytes.to_vec()),
            ("packed".to_owned(), packed.clone())
        );
    }
    let again = with_manifest(&packed, MANIFEST).unwrap();
    assert_eq!(again.len(), packed.len(), "a manifest takes the place of the one before");
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let leaf =
        prop_oneof![(0..3_u8).prop_map(Part::Module), Just(Part::Manifest), Just(Part::Other)];
    let inside = |inner| vec(inner, 0..3).prop_map(Part::Component);
    let part = leaf.clone().prop_recursive(5, 16, 3, inside);
    // One within the other, up to the bound and beyond it, which branching seldom comes to.
    let around =
        |part: Part, floors| (0..floors).fold(part, |inner, _| Part::Component(vec![inner]));
    let tower = (leaf, 0..7_usize).prop_map(move |(leaf, floors)| around(leaf, floors));
    vec(prop_oneof![3 => part, 1 => tower], 0..4)
}

#[test]
fn of_all_manifests_in_a_component_the_right_one_is_found() {
    Target { name: "sections", kept: KEPT, cases: 2500 }
        .hold(&parts(), |parts| the_right_manifest_is_found(parts));
}

/// Bytes that may be anything: read without harm, and repacked they say what was packed.
fn does_no_harm(bytes: &[u8]) {
    match Package::read(bytes.to_vec()) {
        Ok(package) => {
            assert_eq!((&*package.bytes, package.size()), (bytes, bytes.len() as u64));
            let whole = String::from_utf8_lossy(bytes).into_owned();
            assert!(whole.contains(package.manifest.plugin.name.as_str()), "a name from nowhere");
            let packed = with_manifest(bytes, MANIFEST).expect("a component takes a manifest");
            assert_eq!(Package::read(packed).unwrap().manifest, Manifest::parse(MANIFEST).unwrap());
        }
        Err(error) => {
            let told = error.to_string();
            assert!(!told.is_empty() && told.len() < 2048, "{} bytes of error", told.len());
            // Packing is no way round the reader.
            if let Ok(packed) = with_manifest(bytes, MANIFEST) {
                let repacked = Package::read(packed);
                assert!(
                    repacked.is_ok_and(|package| package.manifest.plugin.name.as_str() == "sample")
                        || matches!(error, PackageError::Section(_))
                );
            }
        }
    }
}

#[test]
fn a_damaged_file_is_refused_or_is_what_it_says() {
    use Part::{Component, Module, Other};
    let components = [
        vec![Module(1)],
        vec![Part::Manifest, Other, Module(0)],
        vec![Component(vec![Component(vec![Module(1)]), Other])],
        vec![],
    ];
    let samples = components.map(|parts| wat::parse_str(wat(&parts)).unwrap()).to_vec();
    // Preambles, section ids, lengths of every sort of LEB128, the section's name.
    let words = [
        "\0asm\u{d}\0\u{1}\0",
        "\0asm\u{1}\0\0\0",
        "\0",
        "\u{1}",
        "\u{4}",
        "\u{b}",
        "\u{7f}",
        "JOCHMF01",
        "joch:manifest",
        "\u{d}joch:manifest",
    ];
    let any = vec(any::<u8>(), 0..200);
    let inputs = prop_oneof![8 => edited_bytes(samples, &words), 1 => any];
    Target { name: "file", kept: KEPT, cases: 12_000 }.hold(&inputs, |bytes| does_no_harm(bytes));
}

type Damage = (String, usize, u8);

/// One bit of a frame is another one, wherever it is: refused. And whole, it is what was put in.
fn a_bit_is_noticed((text, place, bit): &Damage) {
    let whole = frame::encode(text).unwrap();
    assert_eq!(frame::decode(&whole), Ok(text.as_str()));
    let mut damaged = whole.clone();
    let place = place % damaged.len();
    damaged[place] ^= 1 << bit;
    assert!(frame::decode(&damaged).is_err(), "bit {bit} of byte {place} counts for nothing");
    assert!(frame::decode(&whole[..place]).is_err(), "cut off at {place}");
    let twice = [whole.as_slice(), &whole[..place]].concat();
    assert!(frame::decode(&twice).is_err() || place == 0, "followed by {place} bytes");
}

#[test]
fn a_frame_with_one_wrong_bit_is_refused() {
    let inputs = (".{0,200}", any::<usize>(), 0..8_u8);
    Target { name: "frame", kept: KEPT, cases: 30_000 }.hold(&inputs, a_bit_is_noticed);
}
