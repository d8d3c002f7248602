//! What the API server's refusals mean for a guest: one mapping for every call.

use std::time::Duration;

use joch_core::object::{ObjectKey, ObjectRef};
use joch_core::port::KubeError;
use kube::core::Status;

use crate::fence::Fenced;

/// What is told as the time to wait while a namespace is being deleted.
const NAMESPACE_GOES: Duration = Duration::from_secs(60);

/// Whether the cluster refused what neither a plugin nor an object can mend: the host's own rights are
/// missing, or the namespace is being deleted.
pub(crate) fn is_nobodys(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    is_of_the_host(status) || is_of_the_namespace(status)
}

/// Whether the API server does not serve the resource at all, as opposed to an object that is not there.
pub(crate) fn is_unserved(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    status.code == 404 && status.details.as_ref().is_none_or(|details| details.name.is_empty())
}

fn is_of_the_host(status: &Status) -> bool {
    status.code == 403 && status.message.contains("is forbidden: User")
}

fn is_of_the_namespace(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 403 && { causes }.any(|cause| cause.reason == "NamespaceTerminating")
}

/// Translates a client's error about `target`.
pub(crate) fn translate(error: kube::Error, verb: &str, target: &ObjectKey) -> KubeError {
    let target = || ObjectRef { key: target.clone(), uid: None };
    match error {
        kube::Error::Api(status) => refusal(&status, verb, target()),
        kube::Error::SerdeError(error) => KubeError::Other(format!("unreadable answer: {error}")),
        kube::Error::Service(error) if error.is::<Fenced>() => KubeError::Fenced,
        kube::Error::BuildRequest(error) => KubeError::Invalid(error.to_string()),
        // Connection refused, cut, timed out: the server may or may not have seen the request.
        _ => KubeError::Unavailable(None),
    }
}

fn refusal(status: &Status, verb: &str, target: ObjectRef) -> KubeError {
    let details = status.details.as_ref();
    let retry = details.map(|d| u64::from(d.retry_after_seconds)).filter(|s| *s > 0);
    match (status.code, status.reason.as_str()) {
        (404, _) => KubeError::NotFound,
        (409, "AlreadyExists") => KubeError::AlreadyExists(target),
        (409, _) => {
            let causes = details.map(|d| d.causes.as_slice()).unwrap_or_default();
            let conflicts: Vec<String> = causes
                .iter()
                .filter(|cause| cause.reason == "FieldManagerConflict")
                .map(|cause| format!("{} ({})", cause.field, cause.message))
                .collect();
            if conflicts.is_empty() { KubeError::Stale } else { KubeError::OwnedByOther(conflicts) }
        }
        // "Not now", and not for long either: there is nothing that the guest could do about it.
        (403, _) if is_of_the_namespace(status) => KubeError::Unavailable(Some(NAMESPACE_GOES)),
        (403, _) if is_of_the_host(status) => KubeError::Denied {
            verb: verb.to_owned(),
            target,
            missing_grant: format!("the host's own service account: {}", status.message),
        },
        (400 | 403 | 405 | 413 | 415 | 422, _) => KubeError::Invalid(status.message.clone()),
        (429 | 500 | 502 | 503 | 504, _) => KubeError::Unavailable(retry.map(Duration::from_secs)),
        _ => KubeError::Other(status.message.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(code: u16, reason: &str, message: &str) -> kube::Error {
        let status =
            Status { code, reason: reason.into(), message: message.into(), ..Status::default() };
        kube::Error::Api(Box::new(status))
    }

    fn of(error: kube::Error) -> KubeError {
        let key = ObjectKey {
            kind: "v1/ConfigMap".parse().unwrap(),
            namespace: Some("a".into()),
            name: "m".into(),
        };
        translate(error, "create", &key)
    }

    #[test]
    fn refusals_by_code_and_reason() {
        assert_eq!(of(status(404, "NotFound", "")), KubeError::NotFound);
        assert!(matches!(of(status(409, "AlreadyExists", "")), KubeError::AlreadyExists(_)));
        assert_eq!(of(status(409, "Conflict", "")), KubeError::Stale);
        assert_eq!(of(status(422, "Invalid", "bad")), KubeError::Invalid("bad".into()));
        assert_eq!(of(status(503, "", "")), KubeError::Unavailable(None));
        let rbac = "configmaps is forbidden: User \"x\" cannot create";
        assert!(matches!(of(status(403, "Forbidden", rbac)), KubeError::Denied { .. }));
        assert_eq!(of(kube::Error::Service(Fenced.into())), KubeError::Fenced);
        let policy = "forbidden: exceeded quota";
        assert!(matches!(of(status(403, "Forbidden", policy)), KubeError::Invalid(_)));
    }

    #[test]
    fn missing_rights_of_the_host_and_a_namespace_that_goes_are_nobodys_fault() {
        let cause = json!({"reason": "NamespaceTerminating", "field": "metadata.namespace"});
        let details = json!({"name": "m", "kind": "configmaps", "causes": [cause]});
        let text =
            "forbidden: unable to create new content in namespace a because it is being terminated";
        let going = || {
            answer(json!({"code": 403, "reason": "Forbidden", "message": text, "details": details}))
        };
        assert!(is_nobodys(&going()));
        assert_eq!(of(going()), KubeError::Unavailable(Some(NAMESPACE_GOES)));
        assert!(is_nobodys(&status(403, "Forbidden", "x is forbidden: User \"y\" cannot create")));
        assert!(!is_nobodys(&status(403, "Forbidden", "forbidden: exceeded quota")));
        assert!(!is_nobodys(&status(503, "", "")));
    }

    #[test]
    fn a_resource_that_is_not_served_is_told_from_an_object_that_is_not_there() {
        assert!(is_unserved(&status(404, "", "404 page not found")));
        let details = json!({"name": "m", "kind": "configmaps"});
        let missing = answer(json!({"code": 404, "reason": "NotFound", "details": details}));
        assert!(!is_unserved(&missing));
        assert!(!is_unserved(&status(403, "", "")));
    }

    fn answer(status: serde_json::Value) -> kube::Error {
        kube::Error::Api(Box::new(serde_json::from_value(status).unwrap()))
    }

    #[test]
    fn an_apply_conflict_names_the_fields() {
        let cause = json!({"reason": "FieldManagerConflict", "message": "conflict with \"kubectl\"", "field": ".data.a"});
        let error =
            of(answer(json!({"code": 409, "reason": "Conflict", "details": {"causes": [cause]}})));
        assert_eq!(
            error,
            KubeError::OwnedByOther(vec![".data.a (conflict with \"kubectl\")".into()])
        );
    }

    #[test]
    fn a_retry_time_is_passed_on() {
        let error = of(answer(json!({"code": 429, "details": {"retryAfterSeconds": 7}})));
        assert_eq!(error, KubeError::Unavailable(Some(Duration::from_secs(7))));
    }
}
