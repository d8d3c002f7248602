//! The host as a component sees it: the imports of the world.

use super::{Calls, Draft, Measure, Question, Series, Verb};
use crate::{
    Level, ObjectRef,
    bindings::joch::{
        kube::{
            events::{self, Severity},
            jobs::{self, StartError, Started},
            reader::{self, Freshness},
            status::{self, Verdict},
            types::Error,
            writer,
        },
        runtime::{
            config, log, metrics,
            secrets::{self, SecretRef},
        },
    },
};

pub(crate) use crate::bindings::joch::kube::reader::Cursor;

/// The imports; there is nothing to hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host;

impl Calls for Host {
    fn get(&self, target: &ObjectRef, freshness: Freshness) -> Result<String, Error> {
        reader::get(target, freshness)
    }

    fn run(&self, question: &Question, freshness: Freshness) -> Result<Cursor, Error> {
        query(question).run(freshness)
    }

    fn count(&self, question: &Question) -> Result<u64, Error> {
        query(question).count()
    }

    fn write(&self, draft: &Draft, verb: Verb, body: &str) -> Result<String, Error> {
        let change = change(draft);
        match verb {
            Verb::Create => change.create(body),
            Verb::Apply => change.apply(body),
            Verb::Merge => change.merge(body),
            Verb::JsonPatch => change.json_patch(body),
        }
    }

    fn delete(&self, draft: &Draft, propagation: &str) -> Result<(), Error> {
        change(draft).delete(propagation)
    }

    fn report(&self, status: &str, generation: Option<i64>) -> Result<Verdict, Error> {
        status::report(status, generation)
    }

    fn start(&self, job: &str) -> Result<Started, StartError> {
        jobs::start(job)
    }

    fn publish(&self, severity: Severity, reason: &str, message: &str) -> Result<(), Error> {
        events::publish(severity, reason, message)
    }

    fn logs(&self, level: Level) -> bool {
        log::enabled(level.into())
    }

    fn log(&self, level: Level, message: &str, fields: &[(String, String)]) {
        log::write(level.into(), message, fields);
    }

    fn config(&self) -> String {
        config::get()
    }

    fn placeholder(&self, secret: &SecretRef) -> Result<String, Error> {
        secrets::placeholder(secret)
    }

    fn reveal(&self, secret: &SecretRef) -> Result<String, Error> {
        secrets::reveal(secret)
    }

    fn measure(&self, series: &Series, value: f64) -> Result<(), Error> {
        let Series { measure, metric, labels } = series;
        match measure {
            Measure::Add => metrics::add(metric, value, labels),
            Measure::Set => metrics::set(metric, value, labels),
            Measure::Observe => metrics::observe(metric, value, labels),
        }
    }
}

fn query(question: &Question) -> reader::Query {
    let Question { kind, namespace, labels, owned_by, fields, metadata_only } = question;
    let query = reader::Query::new(kind);
    if let Some(namespace) = namespace {
        query.namespace(namespace);
    }
    if let Some(selector) = labels {
        query.labels(selector);
    }
    if let Some(uid) = owned_by {
        query.owned_by(uid);
    }
    if !fields.is_empty() {
        query.fields(fields);
    }
    if *metadata_only {
        query.metadata_only();
    }
    query
}

fn change(draft: &Draft) -> writer::Change {
    let Draft { target, subresource, if_version, force, owned } = draft;
    let change = writer::Change::new(target);
    if let Some(name) = subresource {
        change.subresource(name);
    }
    if let Some(version) = if_version {
        change.if_version(version);
    }
    if *force {
        change.force();
    }
    if *owned {
        change.owned();
    }
    change
}

impl From<Level> for log::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}
