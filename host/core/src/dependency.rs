//! What each reconcile read, so that a change wakes whom it concerns (design decision 4).
//!
//! Dependencies are recorded, not declared: objects, misses and queries alike. Bounded: a key with more
//! than [`MAX_PER_KEY`] single objects depends on their whole kinds instead.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::object::{Gvk, ObjectKey};

/// How many single objects one key may depend on before they are widened to their kinds.
pub const MAX_PER_KEY: usize = 256;

/// Something that a reconcile read or looked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Read {
    /// One object, whether it was there or not.
    Object(ObjectKey),
    /// The objects of a kind, in one namespace or in all.
    Kind(Gvk, Option<String>),
}

/// Who read what: both directions.
#[derive(Debug, Default)]
pub struct Dependencies {
    reads: HashMap<ObjectKey, BTreeSet<Read>>,
    readers: HashMap<Read, HashSet<ObjectKey>>,
}

impl Dependencies {
    /// Adds one read of `reader`, while its reconcile is under way: *before* the answer is looked up, so
    /// that no change falls between.
    pub fn add(&mut self, reader: &ObjectKey, read: Read) {
        let reads = self.reads.entry(reader.clone()).or_default();
        let objects = reads.iter().filter(|read| matches!(read, Read::Object(_))).count();
        let read = match read {
            Read::Object(key) if objects >= MAX_PER_KEY => Read::Kind(key.kind, None),
            other => other,
        };
        if reads.insert(read.clone()) {
            self.readers.entry(read).or_default().insert(reader.clone());
        }
    }

    /// Replaces all that is known of `reader` by what its finished reconcile read.
    pub fn replace(&mut self, reader: &ObjectKey, reads: impl IntoIterator<Item = Read>) {
        self.forget(reader);
        for read in reads {
            self.add(reader, read);
        }
    }

    /// Drops a reader that is gone.
    pub fn forget(&mut self, reader: &ObjectKey) {
        for read in self.reads.remove(reader).unwrap_or_default() {
            if let Some(readers) = self.readers.get_mut(&read) {
                readers.remove(reader);
                if readers.is_empty() {
                    self.readers.remove(&read);
                }
            }
        }
    }

    /// Whom a change of `changed` concerns.
    #[must_use]
    pub fn readers_of(&self, changed: &ObjectKey) -> HashSet<ObjectKey> {
        let reads = [
            Read::Object(changed.clone()),
            Read::Kind(changed.kind.clone(), changed.namespace.clone()),
            Read::Kind(changed.kind.clone(), None),
        ];
        reads.iter().filter_map(|read| self.readers.get(read)).flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, namespace: &str, name: &str) -> ObjectKey {
        ObjectKey {
            kind: format!("v1/{kind}").parse().unwrap(),
            namespace: Some(namespace.into()),
            name: name.into(),
        }
    }

    #[test]
    fn a_change_wakes_those_that_read_the_object_or_its_kind() {
        let mut deps = Dependencies::default();
        let (one, two, three) = (key("T", "a", "1"), key("T", "a", "2"), key("T", "b", "3"));
        let map = key("Map", "a", "m");
        deps.add(&one, Read::Object(map.clone()));
        deps.add(&two, Read::Kind(map.kind.clone(), Some("a".into())));
        deps.add(&three, Read::Kind(map.kind.clone(), None));
        assert_eq!(deps.readers_of(&map), HashSet::from([one, two, three.clone()]));
        assert_eq!(deps.readers_of(&key("Map", "b", "x")), HashSet::from([three]));
        assert!(deps.readers_of(&key("Other", "a", "m")).is_empty());
    }

    #[test]
    fn replacing_and_forgetting_leave_nothing_behind() {
        let mut deps = Dependencies::default();
        let reader = key("T", "a", "1");
        deps.add(&reader, Read::Object(key("Map", "a", "old")));
        deps.replace(&reader, [Read::Object(key("Map", "a", "new"))]);
        assert!(deps.readers_of(&key("Map", "a", "old")).is_empty());
        assert_eq!(deps.readers_of(&key("Map", "a", "new")).len(), 1);
        deps.forget(&reader);
        assert!(deps.reads.is_empty() && deps.readers.is_empty());
    }

    #[test]
    fn too_many_objects_are_widened_to_their_kind() {
        let mut deps = Dependencies::default();
        let reader = key("T", "a", "1");
        for n in 0..=MAX_PER_KEY {
            deps.add(&reader, Read::Object(key("Map", "a", &n.to_string())));
        }
        assert_eq!(deps.reads[&reader].len(), MAX_PER_KEY + 1);
        assert_eq!(deps.readers_of(&key("Map", "z", "never-read")), HashSet::from([reader]));
    }
}
