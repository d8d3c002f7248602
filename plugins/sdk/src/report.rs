//! Reporting: the status of the object being reconciled, and Events about it.

use serde::Serialize;

use crate::{
    Context, Error,
    bindings::joch::kube::{events, status},
    host::Calls as _,
    json,
};

impl Context {
    /// Reports the status fields that this controller owns: the only way to write them. Fields left
    /// out stay as they are, a `null` removes one.
    ///
    /// The host adds `observedGeneration`, `updatedAt`, the start and finish times and each
    /// condition's `lastTransitionTime`, and writes only when something else than `updatedAt` differs.
    ///
    /// ```no_run
    /// # use joch_plugin::{Condition, Context, Failure};
    /// # use serde_json::json;
    /// # fn example(cx: &Context) -> Result<(), Failure> {
    /// let ready = Condition::new("Ready", true, "Synced", "the ConfigMap is up to date");
    /// cx.report_status(&json!({ "phase": "Ready", "conditions": [ready] }))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of every write.
    pub fn report_status(&self, status: &impl Serialize) -> Result<Verdict, Error> {
        self.report(status, None)
    }

    /// The same for a status that speaks of another generation than the one being reconciled.
    ///
    /// # Errors
    ///
    /// Those of every write.
    pub fn report_status_of(
        &self,
        generation: i64,
        status: &impl Serialize,
    ) -> Result<Verdict, Error> {
        self.report(status, Some(generation))
    }

    fn report(&self, status: &impl Serialize, generation: Option<i64>) -> Result<Verdict, Error> {
        let body = json::encode("the status", status)?;
        match self.host().report(&body, generation).map_err(Error::about(self.target()))? {
            status::Verdict::Written => Ok(Verdict::Written),
            status::Verdict::Unchanged => Ok(Verdict::Unchanged),
            status::Verdict::Superseded(object) => Ok(Verdict::Superseded(object)),
            status::Verdict::Other(text) => Ok(Verdict::Other(text)),
        }
    }

    /// Records a Kubernetes Event about the object being reconciled. `reason` is one CamelCase word.
    ///
    /// Best effort: an event that is refused is logged and no reason to fail.
    pub fn event(&self, severity: Severity, reason: &str, message: &str) {
        let severity = match severity {
            Severity::Normal => events::Severity::Normal,
            Severity::Warning => events::Severity::Warning,
        };
        if let Err(error) = self.host().publish(severity, reason, message) {
            let error = Error::about(self.target())(error);
            self.warn("event refused", &[("reason", &reason), ("error", &error)]);
        }
    }
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Written.
    Written,
    /// Nothing but `updatedAt` would have changed: not written.
    Unchanged,
    /// The object changed meanwhile so that the report no longer applies; the newest object is given.
    /// Return; it is reconciled again.
    Superseded(String),
    /// A case that this version of the SDK does not name.
    Other(String),
}

/// What kind of news an Event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something went as it should.
    Normal,
    /// Somebody may have to look.
    Warning,
}
