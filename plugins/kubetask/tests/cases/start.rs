//! What keeps a Task from starting: KT-11 to KT-13, KT-17, KT-68, KT-96.

use joch_crds::meta::ObjectMeta;
use joch_plugin::{Denial, Error, Gvk, ObjectRef, Outcome, StartError};
use kubetask::{
    objects::Agent,
    plan::{self, Next},
};

use crate::fixture::{
    UID, agent, job_of, launch, none, refusal, reported, simple_task, summary, task, yaml,
};

#[test]
fn kt_11_a_missing_agent_is_waited_for_visibly() {
    let task = task("{contexts: [], agentRef: coder}");
    let status = refusal(&task, None, &none());
    assert_eq!(
        summary(&status),
        "Pending; Ready=False/AgentError: Agent \"coder\" not found in namespace \"ns\": \
         Agent.kubetask.io \"coder\" not found"
    );
    assert_eq!((status.job_name, status.start_time), (None, None));
    launch(&task, &agent(""), &none());
}

#[test]
fn kt_12_without_agent_ref_the_agent_is_named_default() {
    assert_eq!(plan::agent_name(&simple_task()), "default");
    assert_eq!(plan::agent_name(&task("{contexts: [], agentRef: ''}")), "default");
    let status = refusal(&simple_task(), None, &none());
    assert!(summary(&status).contains("Agent \"default\" not found in namespace \"ns\""));
}

#[test]
fn kt_13_an_agent_without_service_account_fails_the_task() {
    let agent: Agent = yaml("{metadata: {name: default}, spec: {serviceAccountName: ''}}");
    assert_eq!(
        summary(&refusal(&simple_task(), Some(&agent), &none())),
        "Failed; Ready=False/AgentError: Agent \"default\" is missing the required field serviceAccountName"
    );
}

#[test]
fn kt_17_a_foreign_job_is_not_adopted() {
    let expected =
        "Pending; Ready=False/JobNameTaken: Job \"t-job\" exists and does not belong to this Task";
    let unowned = yaml("{metadata: {name: t-job}, status: {succeeded: 1}}");
    assert_eq!(summary(&reported(&simple_task(), Some(&unowned))), expected);

    let taken = StartError::NameTaken(Box::new(job_ref()));
    let (status, outcome) = plan::not_started(&simple_task(), &taken).unwrap();
    assert_eq!((summary(&status).as_str(), outcome), (expected, Outcome::Done));
}

#[test]
fn kt_68_the_job_of_an_earlier_task_of_the_same_name_is_not_adopted() {
    let old = job_of("an-earlier-uid", "{succeeded: 1}");
    assert!(
        summary(&reported(&simple_task(), Some(&old)))
            .starts_with("Pending; Ready=False/JobNameTaken")
    );
    assert_eq!(plan::next(&simple_task(), None), Next::Start);
}

#[test]
fn kt_68_nor_is_its_config_map() {
    let of = |uid: &str| {
        yaml(&format!(
            "{{ownerReferences: [{{apiVersion: a, kind: Task, name: t, uid: {uid}, controller: true}}]}}"
        ))
    };
    let is_ours = |map: &ObjectMeta| map.is_controlled_by(&simple_task().metadata);
    assert!(is_ours(&of(UID)));
    assert!(!is_ours(&of("an-earlier-uid")));
    assert!(!is_ours(&yaml("{}")));
}

#[test]
fn kt_96_a_name_that_is_too_long_fails_the_task() {
    let mut task = simple_task();
    task.metadata.name = "x".repeat(60);
    let status = refusal(&task, Some(&agent("")), &none());
    let expected = "Failed; Ready=False/InvalidName: the name of a Task has at most 59 characters";
    assert_eq!(summary(&status), expected);
    task.metadata.name = "x".repeat(59);
    launch(&task, &agent(""), &none());
}

#[test]
fn a_path_that_is_no_file_and_too_much_text_fail_the_task() {
    let inline = |path: &str, text: &str| {
        task(&format!(
            "{{contexts: [{{type: File, file: {{filePath: {path}, source: {{inline: {text}}}}}}}]}}"
        ))
    };
    for root in ["/", "/.", "a/.."] {
        let status = refusal(&inline(root, "x"), Some(&agent("")), &none());
        let expected = "Failed; Ready=False/ContextError: nothing can be mounted at /";
        assert_eq!(summary(&status), expected, "{root}");
    }

    let status = refusal(&inline("/a", &"x".repeat(1024 * 1024)), Some(&agent("")), &none());
    assert!(summary(&status).starts_with("Failed; Ready=False/ContextError: the files have"));
}

#[test]
fn a_start_that_is_refused_for_good_fails_the_task() {
    let error = StartError::Refused(Error::Invalid("spec.template.spec.hostNetwork".to_owned()));
    let (status, _) = plan::not_started(&simple_task(), &error).unwrap();
    let expected =
        "Failed; Ready=False/JobRefused: refused as invalid: spec.template.spec.hostNetwork";
    assert_eq!(summary(&status), expected);
}

#[test]
fn a_start_that_may_work_later_is_visible_and_tried_again() {
    let denial = Denial {
        verb: "create".to_owned(),
        target: job_ref(),
        missing_grant: "jobs.service-accounts: runner".to_owned(),
    };
    for (error, reason, seconds) in [
        (StartError::NameTerminating(Box::new(job_ref())), "JobNameTaken", 2),
        (StartError::OverBudget(5), "TooManyJobs", 15),
        (StartError::Refused(Error::Denied(Box::new(denial))), "JobDenied", 300),
    ] {
        let (status, outcome) = plan::not_started(&simple_task(), &error).unwrap();
        assert_eq!(status.conditions[0].reason, reason);
        assert_eq!(outcome, Outcome::after_secs(seconds));
        assert!(summary(&status).starts_with("Pending; Ready=False/"));
    }
}

#[test]
fn a_start_that_the_cluster_could_not_answer_is_a_failure_of_the_call() {
    for error in [Error::Fenced, Error::Stale, Error::Unavailable(None)] {
        assert_eq!(plan::not_started(&simple_task(), &StartError::Refused(error)), None);
    }
}

fn job_ref() -> ObjectRef {
    let kind = Gvk::new("batch/v1", "Job");
    ObjectRef { kind, namespace: Some("ns".to_owned()), name: "t-job".to_owned(), uid: None }
}
