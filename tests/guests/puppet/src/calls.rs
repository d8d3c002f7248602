//! From a step to the host call that it stands for, through the bare bindings: what the SDK would make
//! easier or hide is what tests want to see.

use std::time::Duration;

use joch_plugin::bindings::joch::kube::{events, jobs, reader, status, types, writer};
use joch_plugin::bindings::joch::runtime::{config, log, metrics, secrets};
use joch_plugin::{Context, Failure, Gvk, ObjectRef, Outcome};
use serde_json::{Value, json};

use crate::script::{Call, Fail, Fresh, Get, List, Metric, Report, Secret, Target, Text, Write};

/// The longest answer that a log line tells.
const ANSWER: usize = 4 << 10;

/// What became of a step.
pub(crate) enum Done {
    Ok(Value),
    Refused { error: &'static str, text: String },
    End(Result<Outcome, Failure>),
}

/// Writes one line for the test to read.
pub(crate) fn write_line(line: &Value) {
    log::write(log::Level::Info, &line.to_string(), &[]);
}

/// Makes the call.
pub(crate) fn perform(cx: &Context, call: &Call) -> Done {
    match call {
        Call::Get(Get { target, fresh }) => {
            done(reader::get(&reference(cx, target), freshness(*fresh)), |json| parsed(&json))
        }
        Call::List(list) => run(cx, list),
        Call::Count(list) => done(query(cx, list).count(), Value::from),
        Call::Create(write) => written(cx, write, writer::Change::create),
        Call::Apply(write) => written(cx, write, writer::Change::apply),
        Call::Merge(write) => written(cx, write, writer::Change::merge),
        Call::JsonPatch(write) => written(cx, write, writer::Change::json_patch),
        Call::Delete(write) => {
            let propagation = write.propagation.as_deref().unwrap_or("Background");
            done(change(cx, write).delete(propagation), |()| Value::Null)
        }
        Call::Report(Report { status, observed_generation }) => {
            done(status::report(&body(status).to_string(), *observed_generation), verdict)
        }
        Call::StartJob(job) => start(job),
        Call::Event(text) => {
            let severity = match &*text.level {
                "Warning" => events::Severity::Warning,
                _ => events::Severity::Normal,
            };
            done(events::publish(severity, &text.reason, &message(text)), |()| Value::Null)
        }
        Call::Log(text) => {
            write_lines(text);
            Done::Ok(Value::Null)
        }
        Call::Config(_) => Done::Ok(parsed(&config::get())),
        Call::Placeholder(secret) => done(secrets::placeholder(&secret_ref(secret)), Value::from),
        Call::Reveal(secret) => done(secrets::reveal(&secret_ref(secret)), Value::from),
        Call::Metric(metric) => done(measure(metric), |()| Value::Null),
        Call::Requeue(ms) => Done::End(Ok(Outcome::RequeueAfter(Duration::from_millis(*ms)))),
        Call::Fail(fail) => Done::End(Err(failure(fail))),
        #[expect(clippy::panic, reason = "the script asks for it")]
        Call::Panic(text) => panic!("{text}"),
        Call::Spin(_) => loop {
            std::hint::black_box(0);
        },
        Call::Recurse(_) => Done::Ok(Value::from(deeper(0))),
        Call::Allocate(bytes) => {
            let taken = vec![1_u8; *bytes];
            let sum = std::hint::black_box(&taken).len();
            Done::Ok(Value::from(sum))
        }
        #[expect(clippy::exit, reason = "the script asks for it")]
        Call::Exit(code) => std::process::exit(*code),
        Call::Hoard(count) => {
            let kind = Gvk::new("v1", "ConfigMap");
            let held: Vec<reader::Query> = (0..*count).map(|_| reader::Query::new(&kind)).collect();
            Done::Ok(Value::from(held.len()))
        }
    }
}

/// Never returns: each call needs its own place on the stack.
#[expect(unconditional_recursion, reason = "the script asks for it")]
fn deeper(depth: u64) -> u64 {
    let held = std::hint::black_box([depth; 16]);
    deeper(depth + 1) + std::hint::black_box(&held).len() as u64
}

fn gvk(text: &str) -> Gvk {
    let (api_version, kind) = text.rsplit_once('/').unwrap_or(("", text));
    Gvk::new(api_version, kind)
}

fn reference(cx: &Context, target: &Target) -> ObjectRef {
    let Target { kind, name, namespace, cluster, uid } = target;
    let here = || cx.namespace().filter(|_| !cluster).map(str::to_owned);
    ObjectRef {
        kind: gvk(kind),
        namespace: namespace.clone().or_else(here),
        name: name.clone(),
        uid: uid.clone(),
    }
}

fn freshness(fresh: Fresh) -> reader::Freshness {
    match fresh {
        Fresh::Cached => reader::Freshness::Cached,
        Fresh::Confirmed => reader::Freshness::Confirmed,
        Fresh::Live => reader::Freshness::Live,
    }
}

fn query(cx: &Context, list: &List) -> reader::Query {
    let query = reader::Query::new(&gvk(&list.kind));
    let here = || cx.namespace().filter(|_| !list.all_namespaces).map(str::to_owned);
    if let Some(namespace) = list.namespace.clone().or_else(here) {
        query.namespace(&namespace);
    }
    if let Some(labels) = &list.labels {
        query.labels(labels);
    }
    let own = || list.owned.then(|| cx.uid().to_owned());
    if let Some(uid) = list.owned_by.clone().or_else(own) {
        query.owned_by(&uid);
    }
    if !list.fields.is_empty() {
        query.fields(&list.fields);
    }
    if list.metadata_only {
        query.metadata_only();
    }
    query
}

/// Runs a query and takes all that it finds; the answer is `objects` and the sizes of the `batches`.
fn run(cx: &Context, list: &List) -> Done {
    let cursor = match query(cx, list).run(freshness(list.fresh)) {
        Ok(cursor) => cursor,
        Err(error) => return refused(&error),
    };
    let (mut objects, mut batches) = (Vec::new(), Vec::new());
    loop {
        let batch = match cursor.next(list.batch) {
            Ok(batch) => batch,
            Err(error) => return refused(&error),
        };
        if batch.is_empty() {
            break;
        }
        batches.push(batch.len());
        objects.extend(batch.iter().map(|json| parsed(json)));
        if batches.len() == 1 {
            for step in &list.during {
                if let Done::Refused { error, text } = perform(cx, &step.call) {
                    return Done::Refused { error, text };
                }
            }
        }
    }
    let names: Vec<&Value> =
        objects.iter().filter_map(|object| object.pointer("/metadata/name")).collect();
    let (count, names) = (objects.len(), json!(names));
    Done::Ok(json!({
        "count": count, "batches": batches, "names": names,
        "first": objects.first().map(summary),
    }))
}

fn change(cx: &Context, write: &Write) -> writer::Change {
    let change = writer::Change::new(&reference(cx, &write.target));
    if let Some(name) = &write.subresource {
        change.subresource(name);
    }
    if let Some(version) = &write.if_version {
        change.if_version(version);
    }
    if write.force {
        change.force();
    }
    if write.owned {
        change.owned();
    }
    change
}

fn written(
    cx: &Context,
    write: &Write,
    send: impl FnOnce(&writer::Change, &str) -> Result<String, types::Error>,
) -> Done {
    let mut body = body(&write.body);
    if let (Some(length), Some(fields)) = (write.pad, body.as_object_mut()) {
        fields.insert("data".to_owned(), json!({ "pad": "x".repeat(length) }));
    }
    done(send(&change(cx, write), &body.to_string()), |json| parsed(&json))
}

/// A document of the script's, in which the text `$null` stands for null: the API server drops nulls.
fn body(value: &Value) -> Value {
    match value {
        Value::String(text) if text == "$null" => Value::Null,
        Value::Array(items) => items.iter().map(body).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), body(value))).collect()
        }
        other => other.clone(),
    }
}

fn verdict(verdict: status::Verdict) -> Value {
    match verdict {
        status::Verdict::Written => "written".into(),
        status::Verdict::Unchanged => "unchanged".into(),
        status::Verdict::Superseded(object) => json!({ "superseded": parsed(&object) }),
        status::Verdict::Other(text) => text.into(),
    }
}

fn start(job: &Value) -> Done {
    let named = |job: ObjectRef| job.to_string();
    match jobs::start(&job.to_string()) {
        Ok(jobs::Started::Created(job)) => Done::Ok(json!({ "created": named(job) })),
        Ok(jobs::Started::AlreadyRunning(job)) => Done::Ok(json!({ "alreadyRunning": named(job) })),
        Ok(jobs::Started::Other(text)) => Done::Ok(text.into()),
        Err(jobs::StartError::NameTaken(job)) => {
            Done::Refused { error: "nameTaken", text: named(job) }
        }
        Err(jobs::StartError::NameTerminating(job)) => {
            Done::Refused { error: "nameTerminating", text: named(job) }
        }
        Err(jobs::StartError::OverBudget(limit)) => {
            Done::Refused { error: "overBudget", text: limit.to_string() }
        }
        Err(jobs::StartError::Refused(error)) => refused(&error),
        Err(jobs::StartError::Other(text)) => Done::Refused { error: "other", text },
    }
}

fn write_lines(text: &Text) {
    let level = match &*text.level {
        "trace" => log::Level::Trace,
        "debug" => log::Level::Debug,
        "warn" => log::Level::Warn,
        "error" => log::Level::Error,
        _ => log::Level::Info,
    };
    let message = message(text);
    let fields: Vec<(String, String)> =
        text.fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    for _ in 0..text.lines {
        log::write(level, &message, &fields);
    }
}

/// The message, lengthened if the script asks for that.
fn message(text: &Text) -> String {
    let mut message = text.message.clone();
    let last = message.chars().next_back().unwrap_or('x');
    while text.length.is_some_and(|length| message.len() < length) {
        message.push(last);
    }
    message
}

fn secret_ref(secret: &Secret) -> secrets::SecretRef {
    let Secret { namespace, name, key } = secret;
    secrets::SecretRef { namespace: namespace.clone(), name: name.clone(), key: key.clone() }
}

fn measure(metric: &Metric) -> Result<(), types::Error> {
    let Metric { how, name, value, labels } = metric;
    let labels: Vec<(String, String)> =
        labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    match &**how {
        "set" => metrics::set(name, *value, &labels),
        "observe" => metrics::observe(name, *value, &labels),
        _ => metrics::add(name, *value, &labels),
    }
}

fn failure(fail: &Fail) -> Failure {
    let (reason, message) = (fail.reason.clone(), fail.message.clone());
    let failure = if fail.permanent {
        Failure::permanent(reason, message)
    } else {
        Failure::transient(reason, message)
    };
    match fail.retry_after_ms {
        Some(ms) => failure.retry_after(Duration::from_millis(ms)),
        None => failure,
    }
}

fn done<T>(answer: Result<T, types::Error>, tell: impl FnOnce(T) -> Value) -> Done {
    match answer {
        Ok(answer) => Done::Ok(summary(&tell(answer))),
        Err(error) => refused(&error),
    }
}

fn refused(error: &types::Error) -> Done {
    let (error, text) = match error {
        types::Error::Denied(denial) => ("denied", denial.missing_grant.clone()),
        types::Error::NotFound => ("notFound", String::new()),
        types::Error::AlreadyExists(object) => ("alreadyExists", object.to_string()),
        types::Error::Stale => ("stale", String::new()),
        types::Error::OwnedByOther(fields) => ("ownedByOther", fields.join(", ")),
        types::Error::Invalid(reason) => ("invalid", reason.clone()),
        types::Error::NotWatched(kind) => ("notWatched", kind.clone()),
        types::Error::OverLimit(limit) => ("overLimit", limit.clone()),
        types::Error::Unavailable(_) => ("unavailable", String::new()),
        types::Error::Fenced => ("fenced", String::new()),
        types::Error::Other(text) => ("other", text.clone()),
    };
    Done::Refused { error, text }
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| json.into())
}

/// An answer as far as a log line holds it: a large one is told by its length.
fn summary(answer: &Value) -> Value {
    let length = answer.to_string().len();
    if length <= ANSWER { answer.clone() } else { json!({ "bytes": length }) }
}
