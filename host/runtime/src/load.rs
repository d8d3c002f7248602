//! The way of a version from its bytes to being callable (G4): check, grant, compile, link, try.
//! Whatever goes wrong on the way, nothing has changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use joch_artifact::{CompileCache, EntryError, Package};
use joch_controller::{Accesses, NotClaimed, Registry, RegistryError, ShadowLog, Trial, Version};
use joch_core::authority::GrantError;
use joch_core::manifest::Unserved;
use joch_core::name::{Digest, PluginName};
use joch_core::object::Gvk;
use joch_core::outcome::Failure;
use joch_crds::joch::PluginMode;
use joch_engine::{Component, Engine, LoadError, Plugin, PluginSpec, TRACKS};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::progress;
use crate::wanted::{self, Attempt};

/// The compile cache keeps components themselves under this key, so that the version to return to is
/// still there when its source is gone.
const COMPONENTS: &str = "component";

/// How often it is told that a compilation goes on.
const STILL: Duration = Duration::from_secs(2);

/// Why a version does not go live.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{0}")]
    Source(String),
    #[error("its digest is {found}, but only {wanted} is accepted (spec.digest)")]
    Digest { found: Digest, wanted: String },
    #[error(transparent)]
    Unserved(#[from] Unserved),
    #[error("{0}")]
    Spec(String),
    #[error(transparent)]
    Grants(#[from] GrantError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("compiling was interrupted: {0}")]
    Compiler(#[from] tokio::task::JoinError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(
        "the host itself may not do what the plugin needs: {}; grant it to the host's service account \
         (`joch-controller-manager rbac` prints the rules)", .0.join(", ")
    )]
    Access(Vec<String>),
    #[error(
        "kind {0} cannot be claimed by a Lease now, so another replica might reconcile it; it is tried again"
    )]
    Unclaimed(Gvk),
    #[error("it was rolled back before: {0}")]
    RolledBack(String),
}

impl Refused {
    /// One word for conditions and history.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Source(_) => "SourceUnusable",
            Self::Digest { .. } => "DigestMismatch",
            Self::Unserved(Unserved::Adapter) => "NotAController",
            Self::Unserved(Unserved::Track { .. }) => "UnknownTrack",
            Self::Spec(_) => "InvalidSpec",
            Self::Grants(GrantError::Missing { .. }) => "MissingGrants",
            Self::Grants(GrantError::Forbidden) => "ForbiddenGrants",
            Self::Access(_) => "HostNotPermitted",
            Self::Load(
                LoadError::Import(_)
                | LoadError::NotRequested(_)
                | LoadError::Export { .. }
                | LoadError::Finalizer
                | LoadError::Mismatch(_),
            ) => "WrongWorld",
            Self::Load(LoadError::Trial(_)) => "TrialFailed",
            Self::Load(_) => "DoesNotCompile",
            Self::Compiler(_) => "Interrupted",
            Self::Registry(RegistryError::Claimed { .. }) | Self::Unclaimed(_) => "KindClaimed",
            Self::Registry(RegistryError::ShuttingDown) => "ShuttingDown",
            Self::RolledBack(_) => "RolledBack",
        }
    }

    /// Whether it is the grants that are at fault and not the version.
    pub(crate) fn is_about_grants(&self) -> bool {
        matches!(self, Self::Grants(_) | Self::Access(_))
    }

    /// Whether the same version may be accepted later though nothing is changed about the plugin.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Registry(RegistryError::Claimed { .. })
                | Self::Unclaimed(_)
                | Self::Compiler(_)
                | Self::Access(_)
                | Self::Load(LoadError::Trial(Failure::Host(_)))
        )
    }
}

/// Makes versions callable.
pub(crate) struct Loader {
    pub(crate) engine: Engine,
    pub(crate) cache: Arc<CompileCache>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) accesses: Accesses,
    /// One compilation at a time: each uses every core and much memory.
    pub(crate) compiling: Semaphore,
}

impl Loader {
    /// Makes a version callable under the plugin's name, with what the operator says about it. `proven`:
    /// it passed its probation before.
    ///
    /// # Errors
    /// [`Refused`], in one sentence.
    pub(crate) async fn load(
        &self,
        name: &PluginName,
        package: Package,
        attempt: &Attempt,
        proven: bool,
    ) -> Result<Version, Refused> {
        let Package { digest, mut manifest, bytes } = package;
        manifest.served_by(TRACKS)?;
        let Attempt { grants, limits, config, mode, .. } = attempt;
        // The Plugin object's name is the identity; one artifact may run under two names.
        manifest.plugin.name = name.clone();
        manifest.limits =
            wanted::limits(&manifest.limits, limits.as_ref()).map_err(Refused::Spec)?;
        let authority = grants.authority(&manifest)?;
        let access = self.accesses.check(&manifest, &authority).await;
        if !access.missing.is_empty() {
            return Err(Refused::Access(access.missing));
        }
        if let Some(first) = access.unknown.first() {
            let others = access.unknown.len() - 1;
            warn!(plugin = %name, first, others, "what the host itself may do is not known");
        }
        let component = self.component(&digest, bytes).await?;
        let spec = PluginSpec::of(&manifest, digest, config.to_string());
        let plugin = Plugin::new(&self.engine, &component, spec)?;
        plugin.trial().await?;
        let shadow = (*mode == PluginMode::Shadow).then(|| Arc::new(ShadowLog::default()));
        let (code, trial) = (Arc::new(plugin), Trial::new(proven));
        Ok(Version { digest, manifest, authority, code, trial, shadow })
    }

    /// Compiles a version into the cache, so that this replica can take it over at once, also when its source
    /// is gone by then.
    ///
    /// # Errors
    /// As [`Loader::load`].
    pub(crate) async fn warm(&self, package: Package) -> Result<(), Refused> {
        package.manifest.served_by(TRACKS)?;
        self.component(&package.digest, package.bytes).await.map(drop)
    }

    /// The component that once had this digest, if it is still known.
    pub(crate) async fn remembered(&self, digest: String) -> Option<Package> {
        let cache = self.cache.clone();
        let read = move || {
            let path = cache.get(&Digest::parse(&digest)?, COMPONENTS)?;
            Package::read(std::fs::read(path).ok()?).ok()
        };
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }

    /// The compiled component: from the cache, or compiled now and cached.
    async fn component(&self, digest: &Digest, bytes: Arc<[u8]>) -> Result<Component, Refused> {
        let Ok(_one) = self.compiling.acquire().await else {
            return Err(RegistryError::ShuttingDown.into());
        };
        let (engine, cache, digest) = (self.engine.clone(), self.cache.clone(), *digest);
        let compiled =
            tokio::task::spawn_blocking(move || compiled(&engine, &cache, &digest, &bytes));
        let tell = |since| info!(digest = digest.short(), ?since, "still compiling");
        Ok(progress::told(STILL, compiled, tell).await??)
    }
}

impl From<NotClaimed> for Refused {
    fn from(NotClaimed { kind, by }: NotClaimed) -> Self {
        match by {
            Some(by) => RegistryError::Claimed { kind, by }.into(),
            None => Self::Unclaimed(kind),
        }
    }
}

impl From<EntryError> for Refused {
    fn from(error: EntryError) -> Self {
        Self::Source(error.to_string())
    }
}

/// Loads from the cache, or compiles. A cache that fails costs time, never a plugin.
fn compiled(
    engine: &Engine,
    cache: &CompileCache,
    digest: &Digest,
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
    info!(digest = digest.short(), bytes = bytes.len(), "compiling");
    let code = engine.compile(bytes)?;
    info!(digest = digest.short(), bytes = bytes.len(), took = ?began.elapsed(), "compiled");
    if let Err(error) = cache.put(digest, COMPONENTS, bytes) {
        warn!(%error, "the component cannot be kept for a later roll-back");
    }
    match cache.put(digest, &key, &code) {
        Ok(path) => engine.load_precompiled(&path),
        Err(error) => {
            warn!(%error, "the compilation cannot be cached");
            engine.load(bytes)
        }
    }
}
