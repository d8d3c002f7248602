//! Allowed and refused Jobs.

use serde_json::json;

use super::*;

fn job() -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "j", "labels": {"a": "b"}},
        "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never", "serviceAccountName": "agent",
            "containers": [{"name": "agent", "image": "docker.io/library/busybox:1", "env": [{"name": "A", "value": "b"}]}],
            "volumes": [{"name": "v", "configMap": {"name": "m"}}]
        }}}
    })
}

fn grant(profile: Profile) -> JobGrant {
    JobGrant {
        service_accounts: vec!["agent".into()],
        secrets: SecretUse::None,
        images: vec!["docker.io/*".into()],
        profile,
        max_active: 10,
    }
}

fn decide(job: &Value, requested: JobGrant, granted: JobGrant) -> Result<(), String> {
    check(job, &JobAuthority { requested, granted }).map_err(|refusal| refusal.to_string())
}

fn refusal(change: impl FnOnce(&mut Value)) -> String {
    let mut job = job();
    change(&mut job);
    decide(&job, grant(Profile::Baseline), grant(Profile::Baseline)).unwrap_err()
}

#[test]
fn an_ordinary_job_is_allowed() {
    assert_eq!(decide(&job(), grant(Profile::Baseline), grant(Profile::Baseline)), Ok(()));
}

#[test]
fn fields_outside_the_list_are_refused_by_their_path() {
    let pod = "/spec/template/spec";
    let table: [(&str, &str, Value); 7] = [
        (pod, "hostNetwork", json!(true)),
        (pod, "hostPID", json!(true)),
        ("/spec/template/spec/volumes/0", "hostPath", json!({"path": "/"})),
        ("/spec/template/spec/containers/0", "securityContext", json!({"privileged": true})),
        (
            "/spec/template/spec/containers/0",
            "securityContext",
            json!({"capabilities": {"add": ["ALL"]}}),
        ),
        ("/spec/template/spec/containers/0", "ports", json!([{"hostPort": 80}])),
        ("/metadata", "ownerReferences", json!([])),
    ];
    for (place, field, value) in table {
        let error = refusal(|job| job.pointer_mut(place).unwrap()[field] = value);
        assert!(error.starts_with("job.") && error.contains(field), "{error}");
    }
}

#[test]
fn bounds_hold_as_requested_and_as_granted() {
    let narrow = JobGrant { service_accounts: vec!["other".into()], ..grant(Profile::Baseline) };
    let wide = || grant(Profile::Baseline);
    assert!(decide(&job(), narrow.clone(), wide()).unwrap_err().contains("not requested"));
    assert!(decide(&job(), wide(), narrow).unwrap_err().contains("not granted"));
    let image = refusal(|job| {
        job["spec"]["template"]["spec"]["containers"][0]["image"] = json!("evil.io/x")
    });
    assert!(image.contains("evil.io/x"), "{image}");
}

#[test]
fn secrets_need_a_grant_wherever_they_are_used() {
    let container = "/spec/template/spec/containers/0";
    let uses: [(&str, &str, Value); 3] = [
        (
            container,
            "env",
            json!([{"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]),
        ),
        (container, "envFrom", json!([{"secretRef": {"name": "s"}}])),
        ("/spec/template/spec/volumes/0", "secret", json!({"secretName": "s"})),
    ];
    for (place, field, value) in uses {
        let error = refusal(|job| job.pointer_mut(place).unwrap()[field] = value);
        assert!(error.contains("grant.jobs.secrets"), "{error}");
    }
}

#[test]
fn the_restricted_profile_is_the_default_and_names_what_is_missing() {
    let mut job = job();
    let refuse = |job: &Value| decide(job, grant(Profile::default()), grant(Profile::Baseline));
    assert!(refuse(&job).unwrap_err().contains("runAsNonRoot"));
    job["spec"]["template"]["spec"]["securityContext"] =
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    assert!(refuse(&job).unwrap_err().contains("allowPrivilegeEscalation"));
    job["spec"]["template"]["spec"]["containers"][0]["securityContext"] =
        json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    assert_eq!(refuse(&job), Ok(()));
}

#[test]
fn a_job_is_finished_by_its_conditions_only() {
    assert!(!is_finished(&json!({"status": {"failed": 1}})));
    assert!(!is_finished(
        &json!({"status": {"conditions": [{"type": "FailureTarget", "status": "True"}]}})
    ));
    assert!(is_finished(
        &json!({"status": {"conditions": [{"type": "Complete", "status": "True"}]}})
    ));
}

#[test]
fn a_missing_grant_is_told_from_a_field_that_nobody_may_set() {
    let authority =
        JobAuthority { requested: grant(Profile::Baseline), granted: grant(Profile::Restricted) };
    assert!(matches!(check(&job(), &authority), Err(Refusal::Grant(_))));
    let mut host_network = job();
    host_network["spec"]["template"]["spec"]["hostNetwork"] = json!(true);
    assert!(matches!(check(&host_network, &authority), Err(Refusal::Field(_))));
}

fn primary(namespace: Option<&str>) -> ObjectKey {
    let namespace = namespace.map(str::to_owned);
    ObjectKey { kind: Gvk::new("a.io", "v1", "A"), namespace, name: "a".to_owned() }
}

fn starter(primary: &ObjectKey) -> Starter<'_> {
    Starter { plugin: "p", controller: "c", primary, uid: "u" }
}

#[test]
fn a_job_has_a_plain_name_in_the_primarys_namespace() {
    let there = primary(Some("team"));
    let key = starter(&there).key(&job()).unwrap();
    assert_eq!(key.to_string(), "Job team/j");
    let elsewhere = json!({"metadata": {"name": "j", "namespace": "other"}});
    assert_eq!(starter(&there).key(&elsewhere), Ok(key));
    for (primary, job, part) in [
        (primary(None), job(), "a primary in a namespace"),
        (primary(Some("team")), json!({}), "needs a name"),
        (
            primary(Some("team")),
            json!({"metadata": {"name": "j/status"}}),
            "no object can be named",
        ),
    ] {
        let Err(KubeError::Invalid(text)) = starter(&primary).key(&job) else { panic!("{job}") };
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_the_host_says_about_a_job_replaces_what_the_guest_says() {
    let there = primary(Some("team"));
    let starter = starter(&there);
    let mut said = job();
    said["metadata"]["namespace"] = "other".into();
    said["metadata"]["annotations"] = json!({"joch.dev/started-by": "somebody", "kept": "yes"});
    let sent = starter.adorn(said, &starter.key(&job()).unwrap());
    assert_eq!(
        sent["metadata"],
        json!({
            "name": "j", "namespace": "team", "labels": {"a": "b"},
            "annotations": {"joch.dev/started-by": "p/c", "kept": "yes"},
            "ownerReferences": [
                {"apiVersion": "a.io/v1", "kind": "A", "name": "a", "uid": "u", "controller": true}
            ],
        })
    );
    assert_eq!(sent["spec"], job()["spec"]);
}

#[test]
fn a_job_that_bears_the_name_is_never_adopted() {
    let found = || ObjectRef { key: primary(None), uid: None };
    assert_eq!(held(found(), true, false), Ok(Started::AlreadyRunning(found())));
    assert_eq!(held(found(), false, false), Err(StartError::NameTaken(found())));
    for own in [true, false] {
        assert_eq!(held(found(), own, true), Err(StartError::NameTerminating(found())));
    }
}

#[test]
fn only_a_missing_grant_is_a_denial() {
    let few = JobGrant { max_active: 3, ..grant(Profile::Baseline) };
    let whole = JobAuthority { requested: grant(Profile::Baseline), granted: few };
    let denied = |missing: String| KubeError::Other(format!("denied: {missing}"));
    let admit = |job: &Value, authority| match admit(job, authority, denied) {
        Err(StartError::Refused(KubeError::Other(text) | KubeError::Invalid(text))) => text,
        other => format!("{other:?}"),
    };
    assert_eq!(admit(&job(), Some(&whole)), "Ok(3)");
    assert_eq!(admit(&job(), None), "denied: jobs (grant.jobs)");
    let mut other = job();
    other["spec"]["template"]["spec"]["serviceAccountName"] = "root".into();
    assert!(admit(&other, Some(&whole)).starts_with("denied: service account \"root\""));
    other["spec"]["template"]["spec"]["hostNetwork"] = true.into();
    assert!(admit(&other, Some(&whole)).starts_with("job.spec.template.spec.hostNetwork is not"));
}
