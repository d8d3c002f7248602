//! Why an engine does not start, and why a component cannot be used.

use joch_core::outcome::Failure;

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refuses the settings on this machine.
    #[error("the WebAssembly engine cannot be set up on this machine: {0}")]
    Setup(String),
    /// The thread that counts time could not be started.
    #[error("the thread that stops endless guests cannot be started")]
    Ticker(#[source] std::io::Error),
}

/// Why a component cannot be used. Each is one sentence for the plugin's author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The bytes are no WebAssembly.
    #[error("the file is no WebAssembly: it does not begin with the bytes \"\\0asm\"")]
    NotWasm,
    /// A core module.
    #[error(
        "the file is a core module, not a component: build it for wasm32-wasip2, or convert it with \
         `wasm-tools component new`"
    )]
    CoreModule,
    /// The component is malformed, or beyond what the engine can compile.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// A file of the compile cache does not fit this engine.
    #[error("the compiled file does not fit this engine: {0}")]
    Precompiled(String),
    /// The component wants an interface that no plugin has.
    #[error("the component imports `{0}`, which no plugin is given")]
    Import(String),
    /// The component wants an interface that a plugin is given on request, which it did not make.
    #[error(
        "the component imports `{0}`, which a plugin is given only if its plugin.toml requests it: add \
         [[grant.http]] with hosts and methods"
    )]
    NotRequested(String),
    /// The component does not offer what a controller has to.
    #[error("the component does not export `{wanted}`{}", also(.found))]
    Export {
        /// The interface missing.
        wanted: String,
        /// The export that resembles it most.
        found: Option<String>,
    },
    /// The manifest names a finalizer, and nothing in the component serves it.
    #[error(
        "the manifest names a finalizer, but the component does not export \
         `joch:controller/finalizer@0.1.0`: build it with `finalize`, or take `finalizer` out of plugin.toml"
    )]
    Finalizer,
    /// An interface has the right name, but another shape or version.
    #[error("the component was built against other interfaces than this host has: {0}")]
    Mismatch(String),
    /// An instance could be made of it, but only in theory.
    #[error("the component cannot be instantiated: {0}")]
    Trial(#[source] Failure),
}

fn also(found: &Option<String>) -> String {
    found.as_ref().map(|name| format!(" (it exports `{name}`)")).unwrap_or_default()
}
