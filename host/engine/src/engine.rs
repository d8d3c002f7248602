//! The engine: compiles and loads components, bounds how many instances live, and ticks.

use std::hash::{Hash as _, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::component::Linker;

use crate::config::{EngineConfig, wasmtime_config};
use crate::error::{EngineError, LoadError};
use crate::imports;
use crate::outgoing::Roots;
use crate::store::State;

/// How often running guests yield, and how exactly computing time is enforced.
const TICK: Duration = Duration::from_millis(10);

/// Compiles, loads and runs components. Clones share one engine.
///
/// Guarantees: at most [`EngineConfig::max_instances`] instances live at once, a call beyond that waits;
/// the ticking thread ends when the last clone, and the last plugin made from it, is dropped.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    wasm: wasmtime::Engine,
    linker: Linker<State>,
    /// The same with outgoing HTTP.
    http_linker: Linker<State>,
    roots: Roots,
    places: Semaphore,
    pooled: bool,
}

/// Compiled code, ready to be made into a plugin. The code is freed with the last clone.
#[derive(Clone)]
pub struct Component(pub(crate) wasmtime::component::Component);

impl Engine {
    /// Starts an engine, and the thread that ticks for it.
    ///
    /// Where the address space is too small for the pool (some terabytes are reserved, not used), plain
    /// allocation is taken instead, which is slower but as safe.
    ///
    /// # Errors
    /// [`EngineError::Setup`] if this machine cannot run wasmtime at all, [`EngineError::Ticker`] if the
    /// thread cannot be started.
    pub fn new(config: &EngineConfig) -> Result<Self, EngineError> {
        let setup = |error: wasmtime::Error| EngineError::Setup(format!("{error:#}"));
        let (wasm, pooled) = match wasmtime::Engine::new(&wasmtime_config(config, true)) {
            Ok(engine) => (engine, true),
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "no room for the instance pool; instances are allocated one by one"
                );
                (wasmtime::Engine::new(&wasmtime_config(config, false)).map_err(setup)?, false)
            }
        };
        start_ticker(&wasm)?;
        let linker = imports::linker(&wasm, false).map_err(setup)?;
        let http_linker = imports::linker(&wasm, true).map_err(setup)?;
        let roots = Roots::default();
        let places = Semaphore::new(config.max_instances as usize);
        Ok(Self { shared: Arc::new(Shared { wasm, linker, http_linker, roots, places, pooled }) })
    }

    /// Compiles a component to machine code for the compile cache. Takes tens of milliseconds to
    /// seconds on all cores: call it on a blocking thread, and one at a time.
    ///
    /// # Errors
    /// [`LoadError::NotWasm`], [`LoadError::CoreModule`] or [`LoadError::Compile`].
    pub fn compile(&self, bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
        check_preamble(bytes)?;
        // With an engine of its own: a compiler keeps its buffers for the next time, megabytes of them.
        wasmtime::Engine::new(&wasmtime_config(&EngineConfig::default(), false))
            .and_then(|compiler| compiler.precompile_component(bytes))
            .map_err(|error| compile_error(&error))
    }

    /// Compiles a component and loads it at once, without a file. Blocks as [`Self::compile`] does.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub fn load(&self, bytes: &[u8]) -> Result<Component, LoadError> {
        check_preamble(bytes)?;
        wasmtime::component::Component::from_binary(&self.shared.wasm, bytes)
            .map(Component)
            .map_err(|error| compile_error(&error))
    }

    /// Maps a file that [`Self::compile`] made on an engine with the same [`Self::compatibility_key`].
    ///
    /// Assumes that the file is the host's own: machine code from elsewhere would run unchecked. The
    /// compile cache of `joch-artifact` keeps it in a private folder and verifies a checksum.
    ///
    /// # Errors
    /// [`LoadError::Precompiled`] if the file is missing, is no compiled component, or is one of another
    /// engine; compile the component anew then.
    pub fn load_precompiled(&self, path: &Path) -> Result<Component, LoadError> {
        #[expect(
            unsafe_code,
            reason = "maps machine code of our own, from the private compile cache"
        )]
        // SAFETY: the caller passes a file that `compile` wrote and that nobody else could change (see
        // above); wasmtime checks version and settings itself.
        let component =
            unsafe { wasmtime::component::Component::deserialize_file(&self.shared.wasm, path) };
        component.map(Component).map_err(|error| LoadError::Precompiled(format!("{error:#}")))
    }

    /// A text that differs wherever compiled code of one engine would not run on the other: 32
    /// hexadecimal digits.
    #[must_use]
    pub fn compatibility_key(&self) -> String {
        let mut hasher = KeyHasher(Sha256::new());
        self.shared.wasm.precompile_compatibility_hash().hash(&mut hasher);
        hasher.0.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether instances come from the pool; if not, the machine refused the address space for it.
    #[must_use]
    pub fn pooled(&self) -> bool {
        self.shared.pooled
    }

    /// Places for further instances.
    #[must_use]
    pub fn free_places(&self) -> usize {
        self.shared.places.available_permits()
    }

    pub(crate) fn wasm(&self) -> &wasmtime::Engine {
        &self.shared.wasm
    }

    /// What a plugin is linked with, with or without outgoing HTTP.
    pub(crate) fn linker(&self, http: bool) -> &Linker<State> {
        if http { &self.shared.http_linker } else { &self.shared.linker }
    }

    /// The certificate authorities of outgoing HTTP.
    pub(crate) fn roots(&self) -> &Roots {
        &self.shared.roots
    }

    /// Waits for a place; none only if the engine is shutting down, which it never does by itself.
    pub(crate) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.shared.places.acquire().await.ok()
    }
}

fn start_ticker(engine: &wasmtime::Engine) -> Result<(), EngineError> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new()
        .name("joch-ticker".to_owned())
        .spawn(tick)
        .map(drop)
        .map_err(EngineError::Ticker)
}

/// Tells a component from a core module from anything else, by the first eight bytes.
fn check_preamble(bytes: &[u8]) -> Result<(), LoadError> {
    let Some(rest) = bytes.strip_prefix(b"\0asm") else {
        return Err(LoadError::NotWasm);
    };
    if rest.starts_with(&[1, 0, 0, 0]) { Err(LoadError::CoreModule) } else { Ok(()) }
}

fn compile_error(error: &wasmtime::Error) -> LoadError {
    LoadError::Compile(format!("{error:#}"))
}

/// Feeds SHA-256 from what hashes itself, so that the key is the same in every process.
struct KeyHasher(Sha256);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticker_goes_while_the_engine_lives_and_not_longer() {
        let engine = Engine::new(&EngineConfig { max_instances: 1 }).unwrap();
        let weak = engine.wasm().weak();
        drop(engine);
        let gone = (0..500).any(|_| {
            std::thread::sleep(TICK);
            weak.upgrade().is_none()
        });
        assert!(gone);
    }
}
