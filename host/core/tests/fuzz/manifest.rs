//! Manifests: what is accepted keeps the documented bounds and is the same when printed and read again; what
//! is refused says what and where in a few words.

use joch_core::frame::MAX_TEXT;
use joch_core::manifest::{Manifest, ManifestError, PluginKind};
use joch_core::object::Gvk;
use joch_fuzz::{Target, edited_text};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::KEPT;

mod print;
mod samples;

/// The longest error, in bytes: it becomes a condition's message, whose longest is 32 KiB.
const LONGEST_ERROR: usize = 1024;

/// README's table of limits: name, least, most, in bytes, milliseconds or pieces.
const LIMITS: [(&str, u128, u128); 9] = [
    ("memory", 64 << 10, 4 << 30),
    ("cpu", 1, 600_000),
    ("wall", 1, 3_600_000),
    ("concurrency", 1, 1000),
    ("api-per-reconcile", 1, 10_000),
    ("api-per-second", 1, 10_000),
    ("log-lines", 0, 100_000),
    ("events", 0, 1000),
    ("http-requests", 0, 1000),
];

fn numbers(manifest: &Manifest) -> [u128; 9] {
    let limits = &manifest.limits;
    [
        limits.memory.0.into(),
        limits.cpu.0.as_millis(),
        limits.wall.0.as_millis(),
        limits.concurrency.into(),
        limits.api_per_reconcile.into(),
        limits.api_per_second.into(),
        limits.log_lines.into(),
        limits.events.into(),
        limits.http_requests.into(),
    ]
}

fn keeps_its_bounds(manifest: &Manifest) {
    for ((name, least, most), is) in LIMITS.into_iter().zip(numbers(manifest)) {
        assert!((least..=most).contains(&is), "limits.{name} = {is}");
    }
    let Manifest { plugin, controllers, grant, metrics, .. } = manifest;
    assert_eq!(plugin.kind == PluginKind::Controller, !controllers.is_empty());
    let mut kinds: Vec<&Gvk> = controllers.iter().flat_map(|c| c.reconciles()).collect();
    let watched = controllers.iter().flat_map(|c| c.watch.iter().map(|watch| &watch.kind));
    for kind in kinds.iter().copied().chain(watched).chain(grant.kube.iter().flat_map(|r| &r.kinds))
    {
        assert_eq!(kind.to_string().parse::<Gvk>().as_ref(), Ok(kind));
    }
    let all = kinds.len();
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds.len(), all, "a kind is reconciled twice");
    for controller in controllers {
        let timeout = controller.finalizer_timeout.0.as_millis();
        assert!((1..=86_400_000).contains(&timeout), "finalizer-timeout is {timeout} ms");
        let status = &controller.status;
        let times: Vec<&String> = status.started.iter().chain(&status.finished).collect();
        let fields = || times.iter().copied().chain([&status.phase]);
        for (index, field) in fields().enumerate() {
            assert!(!field.is_empty(), "a field of the status has no name");
            assert!(
                !fields().skip(index + 1).any(|other| other == field),
                "{field:?} is two things"
            );
            let own = ["conditions", "observedGeneration", "updatedAt"];
            assert!(!own.contains(&field.as_str()), "{field:?} is the contract's");
        }
        let both = status.running.iter().find(|phase| status.terminal.contains(phase));
        assert_eq!(both, None, "a phase is running and terminal");
    }
    assert!(metrics.len() <= 20);
    for metric in metrics {
        let series: usize = metric.labels.values().map(Vec::len).product();
        assert!(metric.labels.len() <= 4 && series <= 200, "{metric:?}");
    }
}

fn holds(text: &str) {
    match Manifest::parse(text) {
        Ok(manifest) => {
            keeps_its_bounds(&manifest);
            let printed = print::toml(&manifest);
            let again = Manifest::parse(&printed).unwrap_or_else(|e| panic!("{e}\n{printed}"));
            assert_eq!(again, manifest, "{printed}");
        }
        Err(error) => {
            let told = error.to_string();
            assert!(told.starts_with("plugin.toml is not valid: "), "{told}");
            assert!(told.len() <= LONGEST_ERROR, "an error of {} bytes", told.len());
            let place = told.contains(" at line ") && told.contains(", column ")
                || told.contains("nested too deep");
            assert!(place || matches!(error, ManifestError::Meaning(_)), "no place: {told}");
        }
    }
}

#[test]
fn a_manifest_is_within_its_bounds_or_refused_at_its_place() {
    let words = [
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        "\"",
        "'",
        "\"\"\"",
        "\n",
        "#",
        ",",
        ".",
        "é",
        "\0",
        "\u{7f}",
        "0",
        "-1",
        "99999999999999999999",
        "1e9",
        "nan",
        "true",
        "0x10",
        "1979-05-27",
        "\"0s\"",
        "\"999h\"",
        "[limits]",
        "[plugin]",
        "[[controller]]",
        "[[metric]]",
        "[grant.jobs]",
        "\\u0000",
        "\"*\"",
    ];
    let inputs = edited_text(&samples::ALL, &words);
    Target { name: "manifest", kept: KEPT, cases: 12_000 }.hold(&inputs, |text| holds(text));
}

/// A text that nests to the frame's bound: what is read recursively would leave the stack.
fn deep() -> impl Strategy<Value = String> {
    let piece = select(&["[", "{a=", "a.", "[[", "[a.", "\"a\".", "[{a="][..]);
    let before = select(
        &["", "x = ", "[", "[[", "manifest = ", "limits = ", "[grant.", "[plugin.", "limits."][..],
    );
    let after = select(&["", "a]", "a]]", "a = 1", "a = 1\n[limits]", "1"][..]);
    (before, vec(piece, 1..3), 1..MAX_TEXT, after).prop_map(|(before, pieces, length, after)| {
        let body = pieces.concat();
        let room = length.min(MAX_TEXT - before.len() - after.len());
        format!("{before}{}{after}", body.repeat(room / body.len()))
    })
}

#[test]
fn a_manifest_that_nests_without_end_is_refused_in_a_few_words() {
    Target { name: "manifest-deep", kept: KEPT, cases: 400 }.hold(&deep(), |text| holds(text));
}

/// A manifest that is valid but for one limit, and that limit as the error has to name it.
fn limit() -> impl Strategy<Value = (usize, u64)> {
    let number =
        prop_oneof![0..20_u64, 900..1100_u64, 9_900..10_100_u64, any::<u64>(), 0..5_000_000_u64];
    (0..LIMITS.len(), number)
}

fn is_refused_by_name((which, number): &(usize, u64)) {
    let (name, least, most) = LIMITS[*which];
    let written = match name {
        "memory" => format!("\"{number}\""),
        "cpu" | "wall" => format!("\"{number}ms\""),
        _ => number.to_string(),
    };
    let text = samples::LEAST.to_owned() + &format!("[limits]\n{name} = {written}\n");
    match Manifest::parse(&text) {
        Ok(manifest) => {
            assert!((least..=most).contains(&u128::from(*number)), "limits.{name} = {number}");
            assert_eq!(numbers(&manifest)[*which], u128::from(*number));
        }
        Err(error) => {
            assert!(!(least..=most).contains(&u128::from(*number)), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn a_limit_is_taken_as_it_is_or_refused_by_name() {
    Target { name: "manifest-limits", kept: KEPT, cases: 8000 }.hold(&limit(), is_refused_by_name);
}

type Fields = (String, Vec<String>, Vec<String>);
type Phases = (Vec<String>, Vec<String>);

fn status() -> impl Strategy<Value = (Fields, Phases)> {
    const NAMES: [&str; 9] = [
        "phase",
        "state",
        "startedAt",
        "startTime",
        "finishedAt",
        "updatedAt",
        "conditions",
        "",
        "\u{1f}",
    ];
    let name =
        || prop_oneof![9 => select(&NAMES[..2]), 1 => select(&NAMES[..])].prop_map(str::to_owned);
    let times =
        move |own: &'static str| vec(prop_oneof![4 => Just(own.to_owned()), 1 => name()], 0..3);
    let phases =
        || vec(select(&["Running", "Done", "Failed", ""][..]).prop_map(str::to_owned), 0..3);
    ((name(), times("startedAt"), times("finishedAt")), (phases(), phases()))
}

#[test]
fn the_spelling_of_a_status_makes_sense_or_is_refused() {
    Target { name: "manifest-status", kept: KEPT, cases: 8000 }.hold(
        &status(),
        |((phase, started, finished), (running, terminal))| {
            let line = format!(
                "status = {{ phase = {phase:?}, started = {started:?}, finished = {finished:?}, \
                 running = {running:?}, terminal = {terminal:?} }}\n"
            );
            holds(&(samples::LEAST.to_owned() + &line.replace("\\u{1f}", "\\u001f")));
        },
    );
}
