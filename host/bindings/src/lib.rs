//! Generated host-side bindings of the WIT packages in `wit/`, one module per track, nothing else.
//!
//! Only `joch-engine` uses these names; they do not travel further.
#![expect(missing_docs, reason = "generated code; the WIT files carry the documentation")]

/// Track 0.1.
pub mod v0_1 {
    wasmtime::component::bindgen!({
        path: ["../../wit/kube", "../../wit/runtime", "../../wit/controller"],
        world: "joch:controller/controller",
        imports: { default: async | trappable },
        exports: { default: async },
        require_store_data_send: true,
    });
}

pub use v0_1 as latest;
