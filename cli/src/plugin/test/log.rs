//! What a guest logs during one call.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// The target of all that guests write.
const GUEST: &str = "guest";

/// The lines so far.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

/// Runs `work` on this thread; what guests log there from `debug` on, one text a line.
pub(super) fn listen<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    let lines = Lines::default();
    let guests = Targets::new().with_target(GUEST, Level::DEBUG);
    let subscriber = tracing_subscriber::registry().with(lines.clone().with_filter(guests));
    let answer = tracing::subscriber::with_default(subscriber, work);
    let lines = std::mem::take(&mut *lines.0.lock().unwrap_or_else(PoisonError::into_inner));
    (answer, lines)
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line(event.metadata().level().as_str().to_lowercase());
        event.record(&mut line);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }
}

/// `info message key="value"`.
struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, _: &Field, text: &str) {
        let _ = write!(self.0, " {text}");
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_guests_are_heard_and_only_while_listening() {
        tracing::info!(target: "guest", "before");
        let ((), lines) = listen(|| {
            let fields = Some("a=\"1\"");
            tracing::info!(target: "guest", fields, "wrote {}", 1);
            tracing::warn!(target: "guest", dropped = 3, "too much");
            tracing::trace!(target: "guest", "too fine");
            tracing::error!("not a guest");
        });
        assert_eq!(lines, ["info wrote 1 a=\"1\"", "warn too much dropped=3"]);
    }
}
