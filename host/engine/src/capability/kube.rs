//! `joch:kube/reader` and `joch:kube/writer`: reads and writes of objects.

mod read;
mod write;

use joch_bindings::v0_1::joch::kube::types;

use crate::store::State;

impl types::Host for State {}
