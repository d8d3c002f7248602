//! Logging: text for people, JSON for machines, both on stderr.

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::args::{LogArgs, LogFormat};

/// Our own parts; a plain level is theirs, everything else then logs warnings only.
const OURS: [&str; 5] =
    ["guest", "joch_artifact", "joch_controller", "joch_engine", "joch_runtime"];

/// Starts logging.
///
/// # Errors
/// The level is neither a level nor a filter.
pub(crate) fn start(args: &LogArgs) -> anyhow::Result<()> {
    let filter = filter(&args.log_level)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    match args.log_format {
        LogFormat::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr())
                && std::env::var_os("NO_COLOR").is_none();
            lines.with_ansi(colours).with_target(false).compact().init();
        }
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).init(),
    }
    Ok(())
}

fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    let plain = !level.contains(['=', ',']);
    let text = if plain {
        let ours: Vec<String> = OURS.iter().map(|part| format!("{part}={level}")).collect();
        // The library warns of every try of a watch that is refused; the host says so itself, once.
        format!("warn,kube_runtime=error,{}", ours.join(","))
    } else {
        level.to_owned()
    };
    let known = ["error", "warn", "info", "debug", "trace", "off"].contains(&level);
    anyhow::ensure!(
        !plain || known,
        "log level {level:?} is none of error, warn, info, debug, trace (--log-level, JOCH_LOG)"
    );
    EnvFilter::try_new(text)
        .with_context(|| format!("log filter {level:?} (--log-level, JOCH_LOG)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_level_is_ours_only() {
        let text = filter("debug").unwrap().to_string();
        assert!(text.contains("joch_controller=debug") && text.contains("warn"), "{text}");
        assert_eq!(filter("guest=trace").unwrap().to_string(), "guest=trace");
    }

    #[test]
    fn a_misspelt_level_is_refused_by_name() {
        let error = filter("verbose").unwrap_err().to_string();
        assert!(error.contains("verbose") && error.contains("JOCH_LOG"), "{error}");
    }
}
