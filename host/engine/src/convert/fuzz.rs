//! Fuzz targets: what goes through the boundary is the same on the other side, or cut to its bound.

use joch_fuzz::Target;
use proptest::option::of;
use proptest::prelude::*;

use super::*;

const KEPT: &str = "kept";

type Named = ((String, String, String), Option<String>, String, Option<String>);

fn comes_back((kind, namespace, name, uid): &Named) {
    let kind = Gvk::new(&kind.0, &kind.1, &kind.2);
    let key = ObjectKey { kind, namespace: namespace.clone(), name: name.clone() };
    let ours = ObjectRef { key, uid: uid.clone() };
    assert_eq!(reference(to_reference(ours.clone())), ours);
}

#[test]
fn a_reference_is_the_same_on_both_sides() {
    let text = || ".{0,5}";
    let inputs = ((text(), text(), text()), of(text()), text(), of(text()));
    Target { name: "reference", kept: KEPT, cases: 20_000 }.hold(&inputs, comes_back);
}

/// What a guest answers: whether it failed, and for good, how it says why, and when it wants to be called.
type Answered = (u8, String, String, Option<u64>);

fn is_cut_to_its_bounds((which, reason, message, after): &Answered) {
    let why = answer::Problem {
        reason: reason.clone(),
        message: message.clone(),
        retry_after_ms: *after,
    };
    let longest = Duration::from_secs(24 * 60 * 60);
    let wanted = after.map(|ms| Duration::from_millis(ms).min(longest));
    let given = match which {
        0 => Ok(answer::Outcome::Done),
        1 => Ok(answer::Outcome::RequeueAfterMs(after.unwrap_or_default())),
        2 => Err(answer::Failure::Transient(why)),
        _ => Err(answer::Failure::Permanent(why)),
    };
    match (which, result(given)) {
        (0, answered) => assert_eq!(answered, Ok(Outcome::Done)),
        (1, answered) => {
            assert_eq!(answered, Ok(Outcome::RequeueAfter(wanted.unwrap_or_default())));
        }
        (2, Err(Failure::Transient(why))) | (3, Err(Failure::Permanent(why))) => {
            assert_eq!(why.retry_after, wanted);
            for (cut, whole, bound) in
                [(&why.reason, reason, LONGEST_REASON), (&why.message, message, LONGEST_TEXT)]
            {
                assert!(whole.starts_with(cut.as_str()) && cut.len() <= bound, "{cut:?}");
                // No shorter than it has to be: the next character would not fit.
                let next = whole.chars().nth(cut.chars().count()).map_or(bound, char::len_utf8);
                assert!(cut.len() == whole.len() || cut.len() + next > bound, "{}", cut.len());
            }
        }
        (which, answered) => panic!("{which} became {answered:?}"),
    }
}

#[test]
fn an_answer_is_taken_as_it_is_within_its_bounds() {
    let long = |bound: usize| {
        let piece = prop_oneof![Just("a"), Just("é"), Just("€"), Just("😀"), Just("\0a")];
        (piece, 0..3_usize).prop_flat_map(move |(piece, before)| {
            let most = bound / piece.len();
            (most.saturating_sub(3)..most + 4)
                .prop_map(move |count| format!("{}{}", "x".repeat(before), piece.repeat(count)))
        })
    };
    let text = |bound| prop_oneof![1 => any::<String>(), 2 => long(bound)];
    let after = prop_oneof![any::<u64>(), 86_399_998..86_400_003_u64, 0..3_u64];
    let inputs = (0..4_u8, text(LONGEST_REASON), text(LONGEST_TEXT), of(after));
    Target { name: "answer", kept: KEPT, cases: 10_000 }.hold(&inputs, is_cut_to_its_bounds);
}
