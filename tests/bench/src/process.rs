//! What a process uses, as the kernel counts it.

use anyhow::{Context as _, Result};

/// Clock ticks per second in `/proc`: Linux shows user space 100, whatever it uses itself.
const TICKS: f64 = 100.0;

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Seconds of processor time, in user and kernel mode.
    pub(crate) cpu_seconds: f64,
    /// Resident memory in megabytes.
    pub(crate) rss_mb: f64,
    /// The part of it that is no file's: what the system cannot drop and read again.
    pub(crate) anonymous_mb: f64,
}

/// What the process has used so far.
///
/// # Errors
/// If there is no such process.
pub(crate) fn usage(pid: u32) -> Result<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in brackets, which may hold blanks.
    let (_, fields) = stat.rsplit_once(") ").context("no name in /proc/PID/stat")?;
    let field = |index: usize| -> Result<f64> {
        Ok(fields.split(' ').nth(index).context("too short")?.parse::<f64>()?)
    };
    // utime and stime are the fields 14 and 15, of which two lie before the bracket.
    let ticks = field(11)? + field(12)?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let megabytes = |name: &str| -> Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|text| text.split_whitespace().next());
        Ok(number.with_context(|| format!("no {name} in /proc"))?.parse::<f64>()? / 1024.0)
    };
    let (rss_mb, anonymous_mb) = (megabytes("VmRSS:")?, megabytes("RssAnon:")?);
    Ok(Usage { cpu_seconds: ticks / TICKS, rss_mb, anonymous_mb })
}
