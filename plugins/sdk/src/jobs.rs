//! Starting Jobs.

use std::{fmt, time::Duration};

use serde::Serialize;

use crate::{
    Context, Error, Failure, Job, ObjectRef, bindings::joch::kube::jobs, host::Calls as _, json,
};

/// How soon a Job of the same name is tried again while the old one is being deleted.
const TERMINATING_RETRY: Duration = Duration::from_secs(2);

/// How soon a Job is tried again when the plugin's limit of active Jobs is reached.
const OVER_BUDGET_RETRY: Duration = Duration::from_secs(15);

impl Context {
    /// Starts a batch/v1 Job in the namespace of the object being reconciled, owned by it.
    ///
    /// The name has to be the same each time, so that a repeated start finds the first one. What the
    /// body leaves out of `apiVersion`, `kind` and namespace is filled in.
    ///
    /// ```no_run
    /// # use joch_plugin::{Context, Failure, Started};
    /// # use serde_json::json;
    /// # fn example(cx: &Context, pod: serde_json::Value) -> Result<(), Failure> {
    /// let name = format!("{}-run", cx.name());
    /// let job = json!({ "metadata": { "name": name }, "spec": { "template": pod } });
    /// if let Started::Created(job) = cx.start_job(&job)? {
    ///     cx.info("started", &[("job", &job.name)]);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StartError`]; `?` makes a taken name and a refusal permanent, the others transient.
    pub fn start_job(&self, job: &impl Serialize) -> Result<Started, StartError> {
        // The name is the body's own: a start without one is the host's to refuse.
        let target = Job::KIND.beside(self, "");
        let body = json::encode_object(&target, job).map_err(StartError::Refused)?;
        match self.host().start(&body) {
            Ok(jobs::Started::Created(job)) => Ok(Started::Created(job)),
            Ok(jobs::Started::AlreadyRunning(job)) => Ok(Started::AlreadyRunning(job)),
            Ok(jobs::Started::Other(text)) => Ok(Started::Other(text)),
            Err(jobs::StartError::NameTaken(job)) => Err(StartError::NameTaken(Box::new(job))),
            Err(jobs::StartError::NameTerminating(job)) => {
                Err(StartError::NameTerminating(Box::new(job)))
            }
            Err(jobs::StartError::OverBudget(limit)) => Err(StartError::OverBudget(limit)),
            Err(jobs::StartError::Refused(error)) => {
                Err(StartError::Refused(Error::about(&target)(error)))
            }
            Err(jobs::StartError::Other(text)) => Err(StartError::Other(text)),
        }
    }
}

/// What became of a start.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Started {
    /// Created now, owned by the object being reconciled.
    Created(ObjectRef),
    /// The object's own Job of that name exists already, whatever its state; nothing was sent.
    AlreadyRunning(ObjectRef),
    /// A case that this version of the SDK does not name.
    Other(String),
}

/// Why a Job was not started.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StartError {
    /// A Job of that name belongs to somebody else; it is never adopted.
    NameTaken(Box<ObjectRef>),
    /// A Job of that name is being deleted; try again when it is gone.
    NameTerminating(Box<ObjectRef>),
    /// The plugin's limit of active Jobs, given here, is reached.
    OverBudget(u32),
    /// Refused by the grant, by the list of allowed fields, or by the server.
    Refused(Error),
    /// A case that this version of the SDK does not name.
    Other(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken(job) => write!(f, "{job} belongs to somebody else"),
            Self::NameTerminating(job) => write!(f, "{job} is being deleted"),
            Self::OverBudget(limit) => write!(f, "the limit of {limit} active Jobs is reached"),
            Self::Refused(error) => error.fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for StartError {}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let text = error.to_string();
        match error {
            StartError::NameTaken(_) => Self::permanent("JobNameTaken", text),
            StartError::NameTerminating(_) => {
                Self::transient("JobNameTerminating", text).retry_after(TERMINATING_RETRY)
            }
            StartError::OverBudget(_) => {
                Self::transient("JobsOverBudget", text).retry_after(OVER_BUDGET_RETRY)
            }
            StartError::Refused(error) => error.into(),
            StartError::Other(_) => Self::transient("JobNotStarted", text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_name_is_permanent_a_full_budget_is_not() {
        let job = ObjectRef {
            kind: Job::KIND.gvk(),
            namespace: Some("a".to_owned()),
            name: "b".to_owned(),
            uid: None,
        };
        let taken = Failure::from(StartError::NameTaken(Box::new(job)));
        assert!(taken.is_permanent());
        assert_eq!(taken.to_string(), "JobNameTaken: Job a/b belongs to somebody else");
        assert!(!Failure::from(StartError::OverBudget(5)).is_permanent());
    }

    #[test]
    fn a_refusal_keeps_its_reason() {
        let refused = StartError::Refused(Error::Invalid("hostNetwork".to_owned()));
        assert_eq!(Failure::from(refused).reason(), "Invalid");
    }
}
