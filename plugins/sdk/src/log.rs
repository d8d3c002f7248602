//! Structured log lines; the host adds plugin, controller, object and reconcile id.

use std::fmt::Display;

use crate::{Context, host::Calls as _};

/// One field of a log line: its name, and a value that is formatted only if the line is kept.
pub type Field<'a> = (&'a str, &'a dyn Display);

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Every step.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What an operator wants to read on a good day.
    Info,
    /// What may need somebody.
    Warn,
    /// What does need somebody.
    Error,
}

impl Context {
    /// Logs what helps to find a fault.
    pub fn debug(&self, message: &str, fields: &[Field<'_>]) {
        self.log(Level::Debug, message, fields);
    }

    /// Logs what an operator wants to read on a good day.
    ///
    /// ```no_run
    /// # use joch_plugin::Context;
    /// # fn example(cx: &Context, job: &str) {
    /// cx.info("started", &[("job", &job), ("attempt", &cx.attempt())]);
    /// # }
    /// ```
    pub fn info(&self, message: &str, fields: &[Field<'_>]) {
        self.log(Level::Info, message, fields);
    }

    /// Logs what may need somebody.
    pub fn warn(&self, message: &str, fields: &[Field<'_>]) {
        self.log(Level::Warn, message, fields);
    }

    /// Logs what does need somebody.
    pub fn error(&self, message: &str, fields: &[Field<'_>]) {
        self.log(Level::Error, message, fields);
    }

    /// Logs at any level. Lines beyond the plugin's limit per call are dropped and counted.
    pub fn log(&self, level: Level, message: &str, fields: &[Field<'_>]) {
        if self.logs(level) {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.to_string()))
                .collect();
            self.host().log(level, message, &fields);
        }
    }

    /// Whether a line of that level would be kept.
    pub fn logs(&self, level: Level) -> bool {
        self.host().logs(level)
    }
}
