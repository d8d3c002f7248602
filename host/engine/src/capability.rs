//! What a guest may ask for: one file per interface. Each translates between the types of the bindings
//! and those of `joch-core`, and decides nothing: authority and bounds are the session's.

pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod detached;
pub(crate) mod events;
pub(crate) mod http;
pub(crate) mod jobs;
pub(crate) mod kube;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod secrets;
pub(crate) mod status;
pub(crate) mod wasi;

use std::any::Any;

use wasmtime::component::{Resource, ResourceTableError};

use crate::failure::{Exceeded, HostFault};
use crate::store::State;

/// The bindings generate a type without values for each resource; the table holds our own type under the
/// same number.
impl State {
    fn put<Theirs: 'static, Ours: Any + Send>(
        &mut self,
        value: Ours,
    ) -> wasmtime::Result<Resource<Theirs>> {
        match self.table.push(value) {
            Ok(handle) => Ok(Resource::new_own(handle.rep())),
            Err(ResourceTableError::Full) => Err(Exceeded::Handles.into()),
            Err(error) => Err(fault(&error)),
        }
    }

    fn own<Theirs: 'static, Ours: Any>(
        &mut self,
        handle: &Resource<Theirs>,
    ) -> wasmtime::Result<&mut Ours> {
        self.table.get_mut(&Resource::new_own(handle.rep())).map_err(|error| fault(&error))
    }

    fn remove<Theirs: 'static, Ours: Any>(
        &mut self,
        handle: &Resource<Theirs>,
    ) -> wasmtime::Result<()> {
        let removed: Result<Ours, _> = self.table.delete(Resource::new_own(handle.rep()));
        removed.map(drop).map_err(|error| fault(&error))
    }
}

fn fault(error: &ResourceTableError) -> wasmtime::Error {
    HostFault(format!("the table of handles is inconsistent: {error}")).into()
}
