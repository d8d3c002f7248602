//! Each check, on a record that is right and on one that is wrong.

use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::proxy::ApiRequest;

/// `1+a` is the start of a reconcile of key 1 by version a, `1-a` its end.
fn log(text: &str) -> Vec<Reconcile> {
    let line = |word: &str| {
        let (key, digest) = word.split_once(['+', '-']).unwrap();
        Reconcile {
            step: if word.contains('+') { Step::Started } else { Step::Finished },
            key: key.to_owned(),
            digest: Digest::of(digest.as_bytes()).short(),
            id: format!("{key} {digest}"),
            outcome: String::new(),
        }
    };
    text.split_whitespace().map(line).collect()
}

fn entry(method: &Method, path: &str, body: Value, code: u16, reason: Option<&str>) -> Entry {
    Entry {
        number: 0,
        at: std::time::SystemTime::UNIX_EPOCH,
        request: ApiRequest::parse(method, &path.parse().unwrap()),
        body,
        code: Some(code),
        reason: reason.map(str::to_owned),
        answered: None,
    }
}

#[test]
fn keys_side_by_side_and_one_after_the_other_do_not_overlap() {
    assert_eq!(overlaps(&[log("1+a 2+a 1-a 2-a 1+b 1-b")]), []);
}

#[test]
fn a_key_that_is_started_twice_overlaps() {
    for text in ["1+a 1+b 1-a 1-b", "1+a 2+a 2-a 1+b 1-b 1-a"] {
        let found = overlaps(&[log(text)]);
        assert!(matches!(found.as_slice(), [Violation::Overlap { .. }]), "{text}: {found:?}");
    }
}

#[test]
fn what_was_under_way_ends_with_the_process() {
    assert_eq!(overlaps(&[log("1+a"), log("1+b 1-b")]), []);
}

#[test]
fn an_end_without_a_start_is_told() {
    assert!(matches!(overlaps(&[log("1-a")]).as_slice(), [Violation::Log(_)]));
}

#[test]
fn versions_only_move_forward_per_key() {
    let versions = [Digest::of(b"a"), Digest::of(b"b")];
    assert_eq!(went_back(&[log("1+a 1-a 1+b 1-b 2+a"), log("1+b 2+b")], &versions), []);
    let back = went_back(&[log("1+b 1-b"), log("1+a")], &versions);
    assert!(matches!(back.as_slice(), [Violation::WentBack { .. }]), "{back:?}");
    assert!(matches!(went_back(&[log("1+c")], &versions).as_slice(), [Violation::Log(_)]));
}

fn job(uid: &str) -> Entry {
    let body = json!({"metadata": {"ownerReferences": [{"controller": true, "uid": uid}]}});
    entry(&Method::POST, "/apis/batch/v1/namespaces/n/jobs", body, 201, None)
}

#[test]
fn each_owner_has_one_post() {
    let owners = BTreeMap::from(["u1", "u2"].map(|uid| (uid.to_owned(), format!("task of {uid}"))));
    let check = |entries: &[Entry]| one_post_per_owner(entries, "jobs", &owners);
    let wrong = |owner: &str, posts| Violation::Posts { owner: owner.to_owned(), posts };
    assert_eq!(check(&[job("u1"), job("u2")]), []);
    assert_eq!(check(&[job("u1")]), [wrong("task of u2", 0)]);
    assert_eq!(check(&[job("u1"), job("u2"), job("u1")]), [wrong("task of u1", 2)]);
    assert_eq!(check(&[job("u1"), job("u2"), job("u3")]), [wrong("u3", 1)]);
}

#[test]
fn an_answer_of_already_exists_is_told() {
    let path = "/apis/batch/v1/namespaces/n/jobs";
    let conflict = entry(&Method::POST, path, Value::Null, 409, Some("Conflict"));
    let exists = entry(&Method::POST, path, Value::Null, 409, Some("AlreadyExists"));
    assert_eq!(already_exists(&[job("u"), conflict]), []);
    assert_eq!(already_exists(&[job("u"), exists]), [Violation::AlreadyExists(path.to_owned())]);
}

#[test]
fn a_write_after_the_terminal_one_is_told() {
    let status = |name: &str, phase: &str, code| {
        let path = format!("/apis/kubetask.io/v1alpha1/namespaces/n/tasks/{name}/status");
        entry(&Method::PATCH, &path, json!({"status": {"phase": phase}}), code, None)
    };
    let read = entry(
        &Method::GET,
        "/apis/kubetask.io/v1alpha1/namespaces/n/tasks/a",
        Value::Null,
        200,
        None,
    );
    let check =
        |entries: &[Entry]| settled_writes(entries, "tasks", &["Completed", "Failed"]).len();
    let (running, done) = (status("a", "Running", 200), status("a", "Completed", 200));
    assert_eq!(check(&[running.clone(), done.clone(), read, status("b", "Running", 200)]), 0);
    assert_eq!(check(&[status("a", "Completed", 409), done.clone()]), 0);
    assert_eq!(check(&[done.clone(), running]), 1);
    assert_eq!(check(&[done.clone(), status("a", "Failed", 409)]), 1);
}
