//! The way of a version from its bytes to being live (G4): check, grant, compile, link, try, install.
//! Whatever goes wrong on the way, the version before stays live.

use std::sync::Arc;
use std::time::Instant;

use joch_artifact::{CompileCache, Package};
use joch_controller::{Registry, RegistryError, Version};
use joch_core::authority::GrantError;
use joch_core::grants_file::GrantsFile;
use joch_core::manifest::PluginKind;
use joch_engine::{Component, Engine, LoadError, Plugin, PluginSpec, TRACKS};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::board::FileView;

/// Why a version does not go live.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("it is a framework adapter: those are run by joch-worker, not by this host")]
    Adapter,
    #[error("it was built for track {0:?} of the interfaces; this host serves {tracks}", tracks = TRACKS.join(", "))]
    Track(String),
    #[error(transparent)]
    Grants(#[from] GrantError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("compiling was interrupted: {0}")]
    Compiler(#[from] tokio::task::JoinError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Makes versions live.
pub(crate) struct Loader {
    pub(crate) engine: Engine,
    pub(crate) cache: Arc<CompileCache>,
    pub(crate) grants: GrantsFile,
    pub(crate) registry: Arc<Registry>,
    /// One compilation at a time: each uses every core and much memory.
    pub(crate) compiling: Semaphore,
}

impl Loader {
    /// Makes a version live, with these settings of the operator's (a JSON object).
    ///
    /// # Errors
    /// [`Refused`], in one sentence; nothing has changed then.
    pub(crate) async fn load(&self, package: Package, config: String) -> Result<FileView, Refused> {
        let began = Instant::now();
        let Package { digest, manifest, bytes } = package;
        if manifest.plugin.kind == PluginKind::Adapter {
            return Err(Refused::Adapter);
        }
        if !TRACKS.contains(&manifest.plugin.track.as_str()) {
            return Err(Refused::Track(manifest.plugin.track));
        }
        let authority = self.grants.authority(&manifest)?;
        let component = self.component(&digest, bytes).await?;
        let spec = PluginSpec {
            name: manifest.plugin.name.clone(),
            digest,
            limits: manifest.limits.clone(),
            config,
        };
        let plugin = Plugin::new(&self.engine, &component, spec)?;
        plugin.trial().await?;

        let (name, number) = (manifest.plugin.name.clone(), manifest.plugin.version.clone());
        let missing_grants = authority.missing_optional.clone();
        let version = Version { digest, manifest, authority, code: Arc::new(plugin) };
        self.registry.install(version).await?;
        let took = began.elapsed();
        info!(plugin = %name, version = number, digest = digest.short(), took = ?took, "plugin is live");
        if !missing_grants.is_empty() {
            warn!(plugin = %name, missing = missing_grants.join(", "), "optional grants are missing");
        }
        Ok(FileView {
            plugin: Some(name),
            digest: Some(digest.to_string()),
            version: Some(number),
            load_millis: u64::try_from(took.as_millis()).ok(),
            missing_grants,
            refused: None,
        })
    }

    /// The compiled component: from the cache, or compiled now and cached.
    async fn component(
        &self,
        digest: &joch_core::name::Digest,
        bytes: Arc<[u8]>,
    ) -> Result<Component, Refused> {
        let Ok(_one) = self.compiling.acquire().await else {
            return Err(RegistryError::ShuttingDown.into());
        };
        let (engine, cache, digest) = (self.engine.clone(), self.cache.clone(), *digest);
        let compiled =
            tokio::task::spawn_blocking(move || compiled(&engine, &cache, &digest, &bytes));
        Ok(compiled.await??)
    }
}

/// Loads from the cache, or compiles. A cache that fails costs time, never a plugin.
fn compiled(
    engine: &Engine,
    cache: &CompileCache,
    digest: &joch_core::name::Digest,
    bytes: &[u8],
) -> Result<Component, LoadError> {
    let key = engine.compatibility_key();
    if let Some(path) = cache.get(digest, &key) {
        match engine.load_precompiled(&path) {
            Ok(component) => return Ok(component),
            Err(error) => warn!(%error, "a cached compilation is not usable; compiling anew"),
        }
    }
    let began = Instant::now();
    let code = engine.compile(bytes)?;
    info!(digest = digest.short(), bytes = bytes.len(), took = ?began.elapsed(), "compiled");
    match cache.put(digest, &key, &code) {
        Ok(path) => engine.load_precompiled(&path),
        Err(error) => {
            warn!(%error, "the compilation cannot be cached");
            engine.load(bytes)
        }
    }
}
