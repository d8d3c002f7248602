//! What the fake host holds: the cluster, the circumstances, and the records.

use std::{
    cell::{RefCell, RefMut},
    collections::BTreeMap,
    rc::Rc,
};

use joch_fake::{Cluster, Filter, Target};
use serde_json::Value;

use super::records::Records;
use crate::{Denial, Gvk, ObjectRef, Timestamp, bindings::joch::kube::types::Error};

/// The name of every controller, and the manager of its writes.
pub(crate) const MANAGER: &str = "controller";

/// What calls are named by.
pub(crate) const VERBS: &[&str] = &["get", "list", "create", "patch", "delete", "reveal"];

/// 2026-01-01.
const BEGINNING: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

/// A handle on the fake host; clones mean the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Host(Rc<RefCell<World>>);

impl Host {
    /// Held during one call only: a controller's code never runs meanwhile.
    pub(crate) fn world(&self) -> RefMut<'_, World> {
        self.0.borrow_mut()
    }
}

/// A verb and a kind.
pub(crate) type Call = (String, String);

/// What the fake host holds.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) now: Timestamp,
    pub(crate) config: String,
    pub(crate) attempt: u32,
    pub(crate) denied: Vec<Call>,
    pub(crate) faults: Vec<(Call, Error)>,
    pub(crate) max_jobs: Option<u32>,
    /// Values by namespace, name and key.
    pub(crate) secrets: BTreeMap<[String; 3], String>,
    pub(crate) records: Records,
    /// The object of the call under way.
    pub(crate) primary: Option<ObjectRef>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            cluster: Cluster::new(BEGINNING.to_string()),
            now: BEGINNING,
            config: "{}".to_owned(),
            attempt: 0,
            denied: Vec::new(),
            faults: Vec::new(),
            max_jobs: None,
            secrets: BTreeMap::new(),
            records: Records::default(),
            primary: None,
        }
    }
}

impl World {
    pub(crate) fn set_now(&mut self, now: Timestamp) {
        self.now = now;
        self.cluster.set_now(now.to_string());
    }

    /// Makes an object the one of the call that begins: with its uid, if it is there.
    pub(crate) fn begin(&mut self, what: &ObjectRef) -> Option<ObjectRef> {
        let object = self.cluster.get(&target(what)).ok()?;
        let primary = ObjectRef { uid: Some(uid(object).to_owned()), ..what.clone() };
        self.primary = Some(primary.clone());
        Some(primary)
    }

    /// One object as JSON.
    pub(crate) fn object(&self, what: &ObjectRef) -> Result<String, joch_fake::Error> {
        self.cluster.get(&target(what)).map(ToString::to_string)
    }

    /// All objects of a kind.
    pub(crate) fn all(&self, kind: &Gvk) -> Vec<Value> {
        self.cluster.list(&kind.group, &kind.kind, &Filter::default()).cloned().collect()
    }

    /// Whether a call is granted and not made to fail.
    pub(crate) fn admit(
        &mut self,
        verb: &str,
        what: &ObjectRef,
        subresource: Option<&str>,
    ) -> Result<(), Error> {
        let on = match subresource {
            Some(name) => format!("{}/{name}", what.kind),
            None => what.kind.to_string(),
        };
        let call = (verb.to_owned(), on);
        if self.denied.contains(&call) {
            let missing_grant = format!("{} on {}", call.0, call.1);
            return Err(Error::Denied(Denial {
                verb: call.0,
                target: what.clone(),
                missing_grant,
            }));
        }
        match self.faults.iter().position(|(fault, _)| *fault == call) {
            Some(at) => Err(self.faults.remove(at).1),
            None => Ok(()),
        }
    }
}

/// An object's uid.
pub(crate) fn uid(object: &Value) -> &str {
    object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn target(what: &ObjectRef) -> Target {
    let ObjectRef { kind: Gvk { group, version, kind }, namespace, name, uid } = what.clone();
    Target { group, version, kind, namespace, name, uid }
}
