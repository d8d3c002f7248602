//! `joch:controller/context`: the request that a guest is lent.

use joch_bindings::v0_1::joch::controller::{context, types};
use joch_bindings::v0_1::joch::kube::types::ObjectRef as TheirRef;
use joch_core::object::ObjectRef;
use joch_core::port::Json;
use wasmtime::Result;
use wasmtime::component::Resource;

use crate::convert;
use crate::store::State;

/// What the guest can ask about the call.
pub(crate) struct Request {
    pub(crate) controller: String,
    pub(crate) target: ObjectRef,
    pub(crate) object: Json,
    pub(crate) now_unix_ms: u64,
    pub(crate) attempt: u32,
}

impl State {
    /// Puts the request into the table; the guest gets it for the time of the call.
    pub(crate) fn lend(&mut self, request: Request) -> Result<Resource<context::Request>> {
        let owned: Resource<context::Request> = self.put(request)?;
        Ok(Resource::new_borrow(owned.rep()))
    }

    fn request(&mut self, handle: &Resource<context::Request>) -> Result<&mut Request> {
        self.own(handle)
    }
}

impl context::Host for State {}
impl types::Host for State {}

impl context::HostRequest for State {
    async fn controller(&mut self, this: Resource<context::Request>) -> Result<String> {
        Ok(self.request(&this)?.controller.clone())
    }

    async fn target(&mut self, this: Resource<context::Request>) -> Result<TheirRef> {
        Ok(convert::to_reference(self.request(&this)?.target.clone()))
    }

    async fn object(&mut self, this: Resource<context::Request>) -> Result<String> {
        Ok(self.request(&this)?.object.as_ref().to_owned())
    }

    async fn now_unix_ms(&mut self, this: Resource<context::Request>) -> Result<u64> {
        Ok(self.request(&this)?.now_unix_ms)
    }

    async fn attempt(&mut self, this: Resource<context::Request>) -> Result<u32> {
        Ok(self.request(&this)?.attempt)
    }

    async fn drop(&mut self, this: Resource<context::Request>) -> Result<()> {
        self.remove::<_, Request>(&this)
    }
}
