//! What a guest in Rust wrote to standard error when it panicked, made readable: the message, then the
//! place. Other languages' last words are left as they are.

/// Who panics, in the first line; the place follows.
const PANICKED: &str = " panicked at ";
/// What follows the message: frames without names, and advice that nobody can follow here.
const BACKTRACE: [&str; 2] = ["stack backtrace:", "note: run with "];
/// The folder that every crate keeps its sources in.
const SOURCES: &str = "src";

/// `panicked: the message (crate/src/file.rs:1:2)` in one line; none if the text tells of no panic.
pub(crate) fn told(stderr: &str) -> Option<String> {
    let mut lines = stderr.lines();
    let place = lines.find_map(|line| {
        let (thread, place) = line.split_once(PANICKED)?;
        thread.starts_with("thread ").then(|| place.trim_end_matches(':'))
    })?;
    let message: Vec<&str> = lines
        .map(str::trim)
        .take_while(|line| !BACKTRACE.iter().any(|end| line.starts_with(end)))
        .filter(|line| !line.is_empty())
        .collect();
    Some(format!("panicked: {} ({})", message.join("; "), short(place)))
}

/// A place from the crate's folder on: what is before it is the machine's that compiled.
fn short(place: &str) -> String {
    let place = place.replace('\\', "/");
    let parts: Vec<&str> = place.split('/').collect();
    let sources = parts.iter().rposition(|part| *part == SOURCES).unwrap_or_default();
    parts.get(sources.saturating_sub(1)..).unwrap_or_default().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_begins_with_the_crates_folder() {
        for (place, expected) in [
            ("src/lib.rs:3:5", "src/lib.rs:3:5"),
            ("plugins/kubetask/src/plan.rs:71:9", "kubetask/src/plan.rs:71:9"),
            ("/rustc/0123abc/library/core/src/option.rs:1:2", "core/src/option.rs:1:2"),
            (
                "/home/me/.cargo/registry/src/index.crates.io-1/a-1.0.2/src/b/c.rs:1:2",
                "a-1.0.2/src/b/c.rs:1:2",
            ),
            (r"C:\me\greeter\src\lib.rs:1:2", "greeter/src/lib.rs:1:2"),
            ("examples/one.rs:1:2", "examples/one.rs:1:2"),
        ] {
            assert_eq!(short(place), expected);
        }
    }

    #[test]
    fn a_panic_is_told_in_one_line_without_advice() {
        let stderr = "\nthread 'main' (1) panicked at examples/hello/src/lib.rs:37:9:\n\
             assertion `left == right` failed\n  left: 1\n right: 2\n\
             note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        let with_frames = stderr.replace("note:", "stack backtrace:\n   0: f\nnote:");
        let expected =
            "panicked: assertion `left == right` failed; left: 1; right: 2 (hello/src/lib.rs:37:9)";
        assert_eq!(told(stderr).as_deref(), Some(expected));
        assert_eq!(told(&with_frames).as_deref(), Some(expected));
        assert_eq!(told("Traceback (most recent call last):\nValueError: 5"), None);
        assert_eq!(told("it panicked at noon"), None);
        assert_eq!(told(""), None);
    }
}
