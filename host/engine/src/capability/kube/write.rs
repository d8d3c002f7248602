//! `joch:kube/writer`: one write to one object.

use joch_bindings::v0_1::joch::kube::{types, writer};
use joch_core::object::ObjectRef;
use joch_core::port::{Change, Operation};
use wasmtime::Result;
use wasmtime::component::Resource;

use crate::convert;
use crate::store::State;

type Handle = Resource<writer::Change>;
type Written = Result<Result<String, types::Error>>;

/// A write as the guest builds it up.
#[derive(Clone)]
struct Draft {
    target: ObjectRef,
    subresource: Option<String>,
    if_version: Option<String>,
    force: bool,
    owned: bool,
}

impl State {
    fn draft(&mut self, handle: &Handle) -> Result<&mut Draft> {
        self.own(handle)
    }

    async fn write(&mut self, handle: &Handle, operation: Operation) -> Written {
        let Draft { target, subresource, if_version, force, owned } = self.draft(handle)?.clone();
        let change = Change { target, subresource, if_version, force, owned, operation };
        let answer = self.cluster.ask(|session| session.write(change)).await;
        Ok(answer.map(|json| json.as_ref().to_owned()).map_err(convert::to_error))
    }
}

impl writer::Host for State {}

impl writer::HostChange for State {
    async fn new(&mut self, target: types::ObjectRef) -> Result<Handle> {
        let target = convert::reference(target);
        let (subresource, if_version) = (None, None);
        self.put(Draft { target, subresource, if_version, force: false, owned: false })
    }

    async fn subresource(&mut self, this: Handle, name: String) -> Result<()> {
        self.draft(&this)?.subresource = Some(name);
        Ok(())
    }

    async fn if_version(&mut self, this: Handle, resource_version: String) -> Result<()> {
        self.draft(&this)?.if_version = Some(resource_version);
        Ok(())
    }

    async fn force(&mut self, this: Handle) -> Result<()> {
        self.draft(&this)?.force = true;
        Ok(())
    }

    async fn owned(&mut self, this: Handle) -> Result<()> {
        self.draft(&this)?.owned = true;
        Ok(())
    }

    async fn create(&mut self, this: Handle, object: String) -> Written {
        self.write(&this, Operation::Create(object)).await
    }

    async fn apply(&mut self, this: Handle, object: String) -> Written {
        self.write(&this, Operation::Apply(object)).await
    }

    async fn merge(&mut self, this: Handle, patch: String) -> Written {
        self.write(&this, Operation::Merge(patch)).await
    }

    async fn json_patch(&mut self, this: Handle, patch: String) -> Written {
        self.write(&this, Operation::JsonPatch(patch)).await
    }

    async fn delete(
        &mut self,
        this: Handle,
        propagation: String,
    ) -> Result<Result<(), types::Error>> {
        Ok(self.write(&this, Operation::Delete(propagation)).await?.map(drop))
    }

    async fn drop(&mut self, this: Handle) -> Result<()> {
        self.remove::<_, Draft>(&this)
    }
}
