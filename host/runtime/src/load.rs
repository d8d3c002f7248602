//! The way of a version from its bytes to being callable (G4): check, grant, compile, link, try.
//! Whatever goes wrong on the way, nothing has changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use joch_artifact::{CompileCache, EntryError, Package};
use joch_controller::{Accesses, NotClaimed, Registry, RegistryError, ShadowLog, Trial, Version};
use joch_core::authority::{Authority, GrantError};
use joch_core::manifest::{Manifest, Unserved};
use joch_core::name::{Digest, PluginName};
use joch_core::object::Gvk;
use joch_core::outcome::Failure;
use joch_crds::joch::PluginMode;
use joch_engine::{Component, Engine, LoadError, Plugin, PluginSpec, TRACKS};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::progress;
use crate::wanted::{self, Artifact, Attempt};

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
    /// It waited for its turn to be compiled, and another one has taken its place.
    #[error("{0}")]
    Superseded(String),
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
            Self::Source(_) | Self::Superseded(_) => "SourceUnusable",
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
                | Self::Superseded(_)
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
    /// it passed its probation before. `live`: the version that it would replace.
    ///
    /// # Errors
    /// [`Refused`], in one sentence.
    pub(crate) async fn load(
        &self,
        name: &PluginName,
        artifact: &Artifact,
        attempt: &Attempt,
        proven: bool,
        live: Option<&Version>,
    ) -> Result<Version, Refused> {
        let (digest, mut manifest) = (artifact.digest, artifact.manifest.as_ref().clone());
        manifest.served_by(TRACKS)?;
        let Attempt { grants, limits, config, mode, .. } = attempt;
        // The Plugin object's name is the identity; one artifact may run under two names.
        manifest.plugin.name = name.clone();
        manifest.limits =
            wanted::limits(&manifest.limits, limits.as_ref()).map_err(Refused::Spec)?;
        let authority = grants.authority(&manifest)?;
        let new = (&manifest, &authority);
        if !live.is_some_and(|live| needs_the_same((&live.manifest, &live.authority), new)) {
            self.may_itself(&manifest, &authority).await?;
        }
        let component = self.component(artifact).await?;
        let spec = PluginSpec::of(&manifest, digest, config.to_string());
        let plugin = Plugin::new(&self.engine, &component, spec)?;
        plugin.trial().await?;
        let shadow = (*mode == PluginMode::Shadow).then(|| Arc::new(ShadowLog::default()));
        let (code, trial) = (Arc::new(plugin), Trial::new(proven));
        Ok(Version { digest, manifest, authority, code, trial, shadow })
    }

    /// Asks whether the host may do itself what the plugin needs.
    async fn may_itself(&self, manifest: &Manifest, authority: &Authority) -> Result<(), Refused> {
        let access = self.accesses.check(manifest, authority).await;
        if !access.missing.is_empty() {
            return Err(Refused::Access(access.missing));
        }
        if let Some(first) = access.unknown.first() {
            let (plugin, others) = (&manifest.plugin.name, access.unknown.len() - 1);
            warn!(%plugin, first, others, "what the host itself may do is not known");
        }
        Ok(())
    }

    /// Compiles a version into the cache, so that this replica can take it over at once, also when its source
    /// is gone by then.
    ///
    /// # Errors
    /// As [`Loader::load`].
    pub(crate) async fn warm(&self, artifact: &Artifact) -> Result<(), Refused> {
        artifact.manifest.served_by(TRACKS)?;
        self.component(artifact).await.map(drop)
    }

    /// The component that once had this digest, if it is still known.
    pub(crate) async fn remembered(&self, digest: String) -> Option<Artifact> {
        let cache = self.cache.clone();
        let read = move || {
            let path = cache.get(&Digest::parse(&digest)?, COMPONENTS)?;
            Package::read(std::fs::read(path).ok()?).ok().map(Artifact::held)
        };
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }

    /// The compiled component: from the cache, or compiled now and cached.
    async fn component(&self, artifact: &Artifact) -> Result<Component, Refused> {
        let Ok(_one) = self.compiling.acquire().await else {
            return Err(RegistryError::ShuttingDown.into());
        };
        let (engine, cache) = (self.engine.clone(), self.cache.clone());
        let (digest, artifact) = (artifact.digest, artifact.clone());
        let compiled = tokio::task::spawn_blocking(move || compiled(&engine, &cache, &artifact));
        let tell = |since| info!(digest = digest.short(), ?since, "still compiling");
        progress::told(STILL, compiled, tell).await?
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
        match error {
            EntryError::Changed(_) => Self::Superseded(error.to_string()),
            _ => Self::Source(error.to_string()),
        }
    }
}

/// Whether a version needs of the cluster what the live one needs: nothing has to be asked then, as a refusal
/// would keep a version in place that may do no more.
fn needs_the_same(live: (&Manifest, &Authority), new: (&Manifest, &Authority)) -> bool {
    live.0.controllers == new.0.controllers && live.1 == new.1
}

/// Loads from the cache, or compiles; the bytes are read for that alone, so that plugins that wait for their
/// turn hold none. A cache that fails costs time, never a plugin.
fn compiled(
    engine: &Engine,
    cache: &CompileCache,
    artifact: &Artifact,
) -> Result<Component, Refused> {
    let (digest, key) = (&artifact.digest, engine.compatibility_key());
    if let Some(path) = cache.get(digest, &key) {
        match engine.load_precompiled(&path) {
            Ok(component) => return Ok(component),
            Err(error) => warn!(%error, "a cached compilation is not usable; compiling anew"),
        }
    }
    let bytes = &artifact.package()?.bytes;
    let began = Instant::now();
    info!(digest = digest.short(), bytes = bytes.len(), "compiling");
    let code = engine.compile(bytes)?;
    info!(digest = digest.short(), bytes = bytes.len(), took = ?began.elapsed(), "compiled");
    if let Err(error) = cache.put(digest, COMPONENTS, bytes) {
        warn!(%error, "the component cannot be kept for a later roll-back");
    }
    match cache.put(digest, &key, &code) {
        Ok(path) => Ok(engine.load_precompiled(&path)?),
        Err(error) => {
            warn!(%error, "the compilation cannot be cached");
            Ok(engine.load(bytes)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use joch_core::grants_file::GrantsFile;

    use super::*;

    fn version(number: &str, more: &str) -> (Manifest, Authority) {
        let text = format!(
            "manifest = 1\n\
             plugin = {{ name = \"p\", version = \"{number}\", kind = \"controller\", track = \"0.1\" }}\n\
             [[controller]]\nname = \"c\"\n\
             primary = {{ group = \"a.io\", version = \"v1\", kind = \"A\" }}\n{more}"
        );
        let manifest = Manifest::parse(&text).unwrap();
        let authority = GrantsFile::requested().authority(&manifest).unwrap();
        (manifest, authority)
    }

    #[test]
    fn only_a_version_that_needs_what_the_live_one_needs_is_not_asked_about() {
        let live = version("1", "");
        let rule = "[[grant.kube]]\nverbs = [\"get\"]\nkinds = [\"v1/ConfigMap\"]\n\
                    namespaces = \"same\"\n";
        let table = [
            (version("2", ""), true),
            (version("2", "finalizer = \"a.io/f\"\n"), false),
            (version("2", "watch = [{ kind = \"v1/ConfigMap\", by = \"read\" }]\n"), false),
            (version("2", rule), false),
        ];
        for ((manifest, authority), same) in table {
            let found = needs_the_same((&live.0, &live.1), (&manifest, &authority));
            assert_eq!(found, same, "{manifest:?}");
        }
    }
}
