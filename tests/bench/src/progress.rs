//! What is under way, told on standard error: a run takes minutes.

/// Tells a line, with the time.
pub(crate) fn tell(line: &str) {
    use std::io::Write as _;
    let now = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
    // Nobody to tell it to is no reason to stop.
    writeln!(std::io::stderr(), "{now} {line}").ok();
}
