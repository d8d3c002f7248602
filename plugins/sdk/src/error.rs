//! Why a call to the host failed.

use std::{fmt, time::Duration};

use crate::{Denial, ObjectRef, bindings::joch::kube::types};

/// Why a call to the host failed. None of these ends the reconcile by itself: match on the ones that
/// are part of the plan, and hand the rest on with `?`, which makes them a [`Failure`](crate::Failure).
///
/// ```
/// # use joch_plugin::{ConfigMap, Context, Error, Failure, fake::FakeHost};
/// # use serde_json::json;
/// fn claim(cx: &Context) -> Result<bool, Failure> {
///     match cx.change(ConfigMap::KIND, "lock").owned().create(&json!({})) {
///         Ok(_) => Ok(true),
///         Err(Error::AlreadyExists(_)) => Ok(false),
///         Err(other) => Err(other.into()),
///     }
/// }
/// # let host = FakeHost::new();
/// # host.put(ConfigMap::KIND, "team/x", &json!({}));
/// # let cx = host.context(ConfigMap::KIND, "team/x");
/// # assert_eq!((claim(&cx), claim(&cx)), (Ok(true), Ok(false)));
/// # host.fail("create", "v1/ConfigMap", Error::Stale);
/// # assert_eq!(claim(&cx).unwrap_err().reason(), "Stale");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The grant does not cover the call. Nothing was sent.
    Denied(Box<Denial>),
    /// There is no such object.
    NotFound(Box<ObjectRef>),
    /// An object of that name exists; the reference names its uid.
    AlreadyExists(Box<ObjectRef>),
    /// The resource version given (or known) is not the newest. Read again and decide anew.
    Stale,
    /// Server-side apply: other managers own these fields, and `force` was not set.
    OwnedByOther(Vec<String>),
    /// The API server refused the content; the text is its reason.
    Invalid(String),
    /// The manifest declares no watch on this kind, so it cannot be read from the cache.
    NotWatched(String),
    /// A limit of the plugin is used up; the text names it.
    OverLimit(String),
    /// The API server cannot answer now; it may have said when to try again.
    Unavailable(Option<Duration>),
    /// This replica has lost its lease: nothing was sent. Return; the new holder goes on.
    Fenced,
    /// A JSON document and its Rust type do not fit; the text names the document and the place in it.
    Malformed(String),
    /// A case that this version of the SDK does not name.
    Other(String),
}

impl Error {
    /// Translates what the host answered to a call about `target`.
    pub(crate) fn about(target: &ObjectRef) -> impl FnOnce(types::Error) -> Self {
        move |error| match error {
            types::Error::Denied(denial) => Self::Denied(Box::new(denial)),
            types::Error::NotFound => Self::NotFound(Box::new(target.clone())),
            types::Error::AlreadyExists(other) => Self::AlreadyExists(Box::new(other)),
            types::Error::Stale => Self::Stale,
            types::Error::OwnedByOther(managers) => Self::OwnedByOther(managers),
            types::Error::Invalid(reason) => Self::Invalid(reason),
            types::Error::NotWatched(kind) => Self::NotWatched(kind),
            types::Error::OverLimit(limit) => Self::OverLimit(limit),
            types::Error::Unavailable(ms) => Self::Unavailable(ms.map(Duration::from_millis)),
            types::Error::Fenced => Self::Fenced,
            types::Error::Other(text) => Self::Other(text),
        }
    }

    /// Whether there is no such object.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denial) => {
                let Denial { verb, target, missing_grant } = &**denial;
                write!(f, "{verb} {target} is not granted; missing: {missing_grant}")
            }
            Self::NotFound(target) => write!(f, "{target} not found"),
            Self::AlreadyExists(target) => write!(f, "{target} already exists"),
            Self::Stale => f.write_str("the object changed meanwhile"),
            Self::OwnedByOther(fields) => {
                write!(f, "fields are owned by other managers: {}", fields.join(", "))
            }
            Self::Invalid(reason) => write!(f, "refused as invalid: {reason}"),
            Self::NotWatched(kind) => write!(f, "the manifest declares no watch on {kind}"),
            Self::OverLimit(limit) => write!(f, "limit reached: {limit}"),
            Self::Unavailable(_) => f.write_str("the API server cannot answer now"),
            Self::Fenced => f.write_str("this replica has lost its lease"),
            Self::Malformed(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Gvk;

    fn agent() -> ObjectRef {
        ObjectRef {
            kind: Gvk::new("kubetask.io/v1alpha1", "Agent"),
            namespace: Some("team".to_owned()),
            name: "coder".to_owned(),
            uid: None,
        }
    }

    #[test]
    fn what_was_not_found_is_named() {
        let error = Error::about(&agent())(types::Error::NotFound);
        assert!(error.is_not_found());
        assert_eq!(error.to_string(), "Agent team/coder not found");
    }

    #[test]
    fn a_denial_says_what_is_missing() {
        let missing_grant = "get kubetask.io/v1alpha1/Agent".to_owned();
        let denial = Denial { verb: "get".to_owned(), target: agent(), missing_grant };
        assert_eq!(
            Error::about(&agent())(types::Error::Denied(denial)).to_string(),
            "get Agent team/coder is not granted; missing: get kubetask.io/v1alpha1/Agent"
        );
    }

    #[test]
    fn a_retry_time_is_kept() {
        let error = Error::about(&agent())(types::Error::Unavailable(Some(1500)));
        assert_eq!(error, Error::Unavailable(Some(Duration::from_millis(1500))));
    }
}
