//! `joch:kube/reader`: single objects, queries, and the cursors that hand out what a query found.

use std::vec;

use joch_bindings::v0_1::joch::kube::{reader, types};
use joch_core::port::{Freshness, Json, Query};
use wasmtime::Result;
use wasmtime::component::Resource;

use crate::convert;
use crate::store::State;

/// Bytes of objects that one `next` hands out; a first object that is larger goes alone.
const BYTES_AT_ONCE: usize = 1 << 20;

type Handle = Resource<reader::Query>;
type CursorHandle = Resource<reader::Cursor>;

/// What is left of a snapshot.
struct Cursor(std::iter::Peekable<vec::IntoIter<Json>>);

impl Cursor {
    fn next(&mut self, max: u32) -> Vec<String> {
        let mut room = BYTES_AT_ONCE;
        let mut batch = Vec::new();
        for _ in 0..max {
            let fits = |object: &Json| batch.is_empty() || object.len() <= room;
            let Some(object) = self.0.next_if(fits) else {
                break;
            };
            room = room.saturating_sub(object.len());
            batch.push(object.as_ref().to_owned());
        }
        batch
    }
}

impl State {
    fn query(&mut self, handle: &Handle) -> Result<&mut Query> {
        self.own(handle)
    }
}

impl reader::Host for State {
    async fn get(
        &mut self,
        what: types::ObjectRef,
        freshness: reader::Freshness,
    ) -> Result<Result<String, types::Error>> {
        let (what, freshness) = (convert::reference(what), convert::freshness(freshness));
        let answer = self.cluster.ask(|session| session.get(&what, freshness)).await;
        Ok(answer.map(|json| json.as_ref().to_owned()).map_err(convert::to_error))
    }
}

impl reader::HostQuery for State {
    async fn new(&mut self, kind: types::Gvk) -> Result<Handle> {
        self.put(Query::new(convert::kind(kind)))
    }

    async fn namespace(&mut self, this: Handle, namespace: String) -> Result<()> {
        self.query(&this)?.namespace = Some(namespace);
        Ok(())
    }

    async fn labels(&mut self, this: Handle, selector: String) -> Result<()> {
        self.query(&this)?.labels = Some(selector);
        Ok(())
    }

    async fn owned_by(&mut self, this: Handle, uid: String) -> Result<()> {
        self.query(&this)?.owned_by = Some(uid);
        Ok(())
    }

    async fn fields(&mut self, this: Handle, pointers: Vec<String>) -> Result<()> {
        self.query(&this)?.fields = pointers;
        Ok(())
    }

    async fn metadata_only(&mut self, this: Handle) -> Result<()> {
        self.query(&this)?.metadata_only = true;
        Ok(())
    }

    async fn count(&mut self, this: Handle) -> Result<Result<u64, types::Error>> {
        let query = self.query(&this)?.clone();
        let answer = self.cluster.ask(|session| session.count(&query)).await;
        Ok(answer.map_err(convert::to_error))
    }

    async fn run(
        &mut self,
        this: Handle,
        freshness: reader::Freshness,
    ) -> Result<Result<CursorHandle, types::Error>> {
        let query = self.query(&this)?.clone();
        let freshness = match convert::freshness(freshness) {
            Freshness::Live => Freshness::Live,
            Freshness::Cached | Freshness::Confirmed => Freshness::Cached,
        };
        match self.cluster.ask(|session| session.list(&query, freshness)).await {
            Ok(objects) => self.put(Cursor(objects.into_iter().peekable())).map(Ok),
            Err(error) => Ok(Err(convert::to_error(error))),
        }
    }

    async fn drop(&mut self, this: Handle) -> Result<()> {
        self.remove::<_, Query>(&this)
    }
}

impl reader::HostCursor for State {
    async fn next(
        &mut self,
        this: CursorHandle,
        max: u32,
    ) -> Result<Result<Vec<String>, types::Error>> {
        let cursor: &mut Cursor = self.own(&this)?;
        Ok(Ok(cursor.next(max)))
    }

    async fn drop(&mut self, this: CursorHandle) -> Result<()> {
        self.remove::<_, Cursor>(&this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(sizes: &[usize], max: u32) -> Vec<Vec<usize>> {
        let objects: Vec<Json> = sizes.iter().map(|&size| Json::from("x".repeat(size))).collect();
        let mut cursor = Cursor(objects.into_iter().peekable());
        let next = || Some(cursor.next(max)).filter(|batch| !batch.is_empty());
        std::iter::from_fn(next).map(|batch| batch.iter().map(String::len).collect()).collect()
    }

    #[test]
    fn a_batch_is_bounded_in_number_and_bytes_but_never_empty_before_the_end() {
        let half = BYTES_AT_ONCE / 2;
        assert_eq!(lengths(&[1, 1, 1], 2), [vec![1, 1], vec![1]]);
        assert_eq!(lengths(&[half, half, 1], 9), [vec![half, half], vec![1]]);
        assert_eq!(lengths(&[3 * half, 1], 9), [vec![3 * half], vec![1]]);
        assert!(lengths(&[], 9).is_empty());
    }
}
