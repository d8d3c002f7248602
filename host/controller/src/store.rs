//! The cache behind one watch: a state machine without I/O.
//!
//! # Guarantees
//! - It never goes back: an object older than the one held is ignored, whether the watch or an own
//!   write brought it (G7).
//! - Own writes are visible at once ([`Store::learn`]), and survive a list that was taken before them.
//! - A deletion that the watch reported is not undone by an own write that was answered late.
//! - A newer version in which nothing has changed of what is kept is held, and told to nobody.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use joch_core::object::{Gvk, ObjectKey};

use crate::cached::{Cached, version};

/// How many recent deletions are remembered.
const TOMBSTONES: usize = 1024;

/// One object changed, appeared or went.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) key: ObjectKey,
    pub(crate) old: Option<Arc<Cached>>,
    pub(crate) new: Option<Arc<Cached>>,
    /// Part of the initial list.
    pub(crate) initial: bool,
}

/// The objects of one kind, in one namespace or in all.
#[derive(Debug, Default)]
pub(crate) struct Store {
    objects: HashMap<ObjectKey, Arc<Cached>>,
    /// The uid of each owner with each object that names it: one set, since most owners have one object, and
    /// a set of one costs as much as one of ten.
    owned: BTreeSet<(String, ObjectKey)>,
    deleted: HashMap<ObjectKey, u64>,
    deletions: VecDeque<ObjectKey>,
    listing: Option<HashSet<ObjectKey>>,
    synced: bool,
}

impl Store {
    /// A list begins.
    pub(crate) fn list_begins(&mut self) {
        self.listing = Some(HashSet::new());
    }

    /// The list is complete: what it did not name is gone.
    pub(crate) fn list_ends(&mut self) -> Vec<Change> {
        self.synced = true;
        let Some(seen) = self.listing.take() else { return Vec::new() };
        let gone: Vec<_> =
            self.objects.keys().filter(|key| !seen.contains(*key)).cloned().collect();
        gone.into_iter().filter_map(|key| self.remove(key)).collect()
    }

    /// The watch or the list brought an object, or an own write was answered with it.
    pub(crate) fn learn(&mut self, key: ObjectKey, object: Arc<Cached>) -> Option<Change> {
        let initial = self.listing.is_some() && !self.synced;
        if let Some(seen) = &mut self.listing {
            seen.insert(key.clone());
        }
        let held = self.objects.get(&key);
        let buried =
            self.deleted.get(&key).is_some_and(|at| *at >= version(&object.resource_version));
        if buried || held.is_some_and(|held| held.is_at_least(&object)) {
            return None;
        }
        let old = self.objects.insert(key.clone(), object.clone());
        // Owners seldom change, and everything else often does.
        if old.as_ref().is_none_or(|old| old.owners != object.owners) {
            if let Some(old) = &old {
                self.disown(&key, old);
            }
            for owner in &object.owners {
                self.owned.insert((owner.uid.clone(), key.clone()));
            }
        }
        if old.as_ref().is_some_and(|old| old.says_what(&object)) {
            return None;
        }
        Some(Change { key, old, new: Some(object), initial })
    }

    /// The watch reported a deletion; `last` is the object's last state.
    pub(crate) fn delete(&mut self, key: ObjectKey, last: &Cached) -> Option<Change> {
        let newer =
            |held: &Arc<Cached>| version(&held.resource_version) > version(&last.resource_version);
        if self.objects.get(&key).is_some_and(newer) {
            return None;
        }
        self.bury(key.clone(), version(&last.resource_version));
        self.remove(key)
    }

    /// One object.
    pub(crate) fn get(&self, key: &ObjectKey) -> Option<&Arc<Cached>> {
        self.objects.get(key)
    }

    /// The objects that name `uid` as an owner.
    pub(crate) fn owned_by(&self, uid: &str) -> impl Iterator<Item = (&ObjectKey, &Arc<Cached>)> {
        let first = ObjectKey { kind: Gvk::new("", "", ""), namespace: None, name: String::new() };
        let from = self.owned.range((uid.to_owned(), first)..);
        from.take_while(move |(owner, _)| owner == uid)
            .filter_map(|(_, key)| self.objects.get_key_value(key))
    }

    /// Every object, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&ObjectKey, &Arc<Cached>)> {
        self.objects.iter()
    }

    /// How many objects are held.
    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    fn remove(&mut self, key: ObjectKey) -> Option<Change> {
        let old = self.objects.remove(&key)?;
        self.disown(&key, &old);
        Some(Change { key, old: Some(old), new: None, initial: false })
    }

    fn disown(&mut self, key: &ObjectKey, object: &Cached) {
        for owner in &object.owners {
            self.owned.remove(&(owner.uid.clone(), key.clone()));
        }
    }

    fn bury(&mut self, key: ObjectKey, at: u64) {
        if self.deleted.insert(key.clone(), at).is_none() {
            self.deletions.push_back(key);
        }
        if self.deletions.len() > TOMBSTONES
            && let Some(oldest) = self.deletions.pop_front()
        {
            self.deleted.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
