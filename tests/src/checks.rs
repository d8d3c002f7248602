//! What may never happen, as pure functions over what was recorded: logs of hosts, requests at the proxy.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use joch_core::name::Digest;

use crate::host::{Reconcile, Step};
use crate::proxy::Entry;

#[cfg(test)]
mod tests;

/// Something that may never happen and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// Two reconciles of one key ran at once.
    Overlap {
        /// Plugin, controller and key.
        key: String,
        /// The versions that ran.
        digests: [String; 2],
    },
    /// A key was reconciled by an older version after a newer one.
    WentBack {
        /// Plugin, controller and key.
        key: String,
        /// The newer version and the older one.
        digests: [String; 2],
    },
    /// The log does not tell starts and ends in pairs, so that nothing can be concluded from it.
    Log(String),
    /// An object was not asked to be made exactly once.
    Posts {
        /// The owner's uid, or its name if known.
        owner: String,
        /// How often.
        posts: usize,
    },
    /// The API server answered `AlreadyExists`.
    AlreadyExists(String),
    /// An object was written to after its end.
    SettledWrite(String),
    /// An object's status is not what it has to be.
    Status(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlap { key, digests: [a, b] } => {
                write!(f, "{key}: reconciled by {a} and by {b} at once")
            }
            Self::WentBack { key, digests: [a, b] } => {
                write!(f, "{key}: reconciled by {b} after the newer {a}")
            }
            Self::Log(text) => write!(f, "the log is of no use: {text}"),
            Self::Posts { owner, posts } => write!(f, "{owner}: {posts} POSTs instead of 1"),
            Self::AlreadyExists(path) => write!(f, "AlreadyExists answered to {path}"),
            Self::SettledWrite(text) => write!(f, "write to a settled object: {text}"),
            Self::Status(text) => write!(f, "wrong status: {text}"),
        }
    }
}

/// Reconciles of one key that overlap. `starts` are the logs of one host, one per start of the process:
/// what was under way at the end of one has ended with it.
#[must_use]
pub fn overlaps(starts: &[Vec<Reconcile>]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for log in starts {
        let mut open: HashMap<&str, Vec<&Reconcile>> = HashMap::new();
        for line in log {
            let running = open.entry(&line.key).or_default();
            match line.step {
                Step::Started => {
                    violations.extend(running.iter().map(|other| Violation::Overlap {
                        key: line.key.clone(),
                        digests: [other.digest.clone(), line.digest.clone()],
                    }));
                    running.push(line);
                }
                Step::Finished => match running.iter().position(|other| other.id == line.id) {
                    Some(place) => {
                        running.swap_remove(place);
                    }
                    None => violations.push(Violation::Log(format!(
                        "{}: reconcile {:?} finished without a start",
                        line.key, line.id
                    ))),
                },
            }
        }
    }
    violations
}

/// Keys that an older of `versions` (oldest first) reconciled after a newer one, and versions that are
/// not on the list.
#[must_use]
pub fn went_back(starts: &[Vec<Reconcile>], versions: &[Digest]) -> Vec<Violation> {
    let mut newest: HashMap<&str, (usize, &str)> = HashMap::new();
    let mut violations = Vec::new();
    for line in starts.iter().flatten().filter(|line| line.step == Step::Started) {
        let told = line.digest.strip_prefix("sha256:").unwrap_or(&line.digest);
        let known = |digest: &Digest| told.len() >= 12 && digest.hex().starts_with(told);
        let Some(version) = versions.iter().position(known) else {
            violations.push(Violation::Log(format!("{}: unknown version {told:?}", line.key)));
            continue;
        };
        let seen = newest.entry(&line.key).or_insert((version, &line.digest));
        if version < seen.0 {
            let digests = [seen.1.to_owned(), line.digest.clone()];
            violations.push(Violation::WentBack { key: line.key.clone(), digests });
        } else {
            *seen = (version, &line.digest);
        }
    }
    violations
}

/// Owners of which not exactly one POST of `resource` was seen, and POSTs for other owners. `owners` maps
/// uids to names.
#[must_use]
pub fn one_post_per_owner(
    entries: &[Entry],
    resource: &str,
    owners: &BTreeMap<String, String>,
) -> Vec<Violation> {
    let mut posts: BTreeMap<&str, usize> = owners.keys().map(|uid| (uid.as_str(), 0)).collect();
    for entry in entries.iter().filter(|entry| entry.request.creates(resource)) {
        *posts.entry(entry.owner().unwrap_or("nobody")).or_default() += 1;
    }
    let wrong = posts.into_iter().filter(|(uid, posts)| *posts != 1 || !owners.contains_key(*uid));
    wrong
        .map(|(uid, posts)| {
            let owner = owners.get(uid).map_or(uid, String::as_str).to_owned();
            Violation::Posts { owner, posts }
        })
        .collect()
}

/// Each `AlreadyExists` that was answered.
#[must_use]
pub fn already_exists(entries: &[Entry]) -> Vec<Violation> {
    let answered = entries.iter().filter(|entry| entry.reason.as_deref() == Some("AlreadyExists"));
    answered.map(|entry| Violation::AlreadyExists(entry.request.path.clone())).collect()
}

/// Writes to an object of `resource`, whatever their answer, after a write of a `terminal` phase to its
/// status was answered well.
#[must_use]
pub fn settled_writes(entries: &[Entry], resource: &str, terminal: &[&str]) -> Vec<Violation> {
    let mut settled: HashSet<(Option<&str>, Option<&str>)> = HashSet::new();
    let mut violations = Vec::new();
    let writes = |entry: &&Entry| entry.request.is_write() && entry.request.resource == resource;
    for entry in entries.iter().filter(writes) {
        let object = (entry.request.namespace.as_deref(), entry.request.name.as_deref());
        if settled.contains(&object) {
            let body = &entry.body;
            let (verb, path) = (&entry.request.verb, &entry.request.path);
            violations.push(Violation::SettledWrite(format!("{verb} {path} {body}")));
        }
        let phase = entry.body.pointer("/status/phase").and_then(|phase| phase.as_str());
        if entry.succeeded() && phase.is_some_and(|phase| terminal.contains(&phase)) {
            settled.insert(object);
        }
    }
    violations
}
