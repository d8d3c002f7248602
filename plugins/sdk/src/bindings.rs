//! The code that wit-bindgen generates from `wit/`. Nothing else is in here, and its names do not
//! travel: [`crate`] re-exports by hand what plugins may use.
#![allow(
    missing_docs,
    clippy::mem_forget,
    reason = "generated; the WIT files document what is re-exported"
)]

wit_bindgen::generate!({
    path: ["../../wit/kube", "../../wit/runtime", "../../wit/controller"],
    world: "joch:controller/finalizing-controller",
    pub_export_macro: true,
    default_bindings_module: "joch_plugin::bindings",
    additional_derives: [PartialEq],
    generate_all,
});
