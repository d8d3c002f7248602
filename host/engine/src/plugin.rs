//! One loaded version of a plugin, and how it is called.

use std::sync::Arc;

use async_trait::async_trait;
use joch_bindings::v0_1::joch::controller::{context, types};
use joch_bindings::v0_1::{Controller, ControllerPre};
use joch_core::manifest::{Limits, Manifest};
use joch_core::name::{Digest, PluginName};
use joch_core::outcome::{Failure, Outcome};
use joch_core::port::{Call, Invoke, Purpose, Report, Session};
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Instance, Resource, TypedFunc};

use crate::capability::context::Request;
use crate::capability::detached::Detached;
use crate::clock::CpuClock;
use crate::convert;
use crate::engine::{Component, Engine};
use crate::error::LoadError;
use crate::failure::{HostFault, Phase, blame};
use crate::imports;
use crate::store::{self, State};

/// What distinguishes one plugin from another, besides its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginSpec {
    /// The plugin's name.
    pub name: PluginName,
    /// The version, by its bytes.
    pub digest: Digest,
    /// The bounds of each call. `concurrency` and `api_per_reconcile` are the caller's business.
    pub limits: Limits,
    /// Whether the manifest requests `[[grant.http]]`: only then `wasi:http` is linked.
    pub http: bool,
    /// Whether the manifest names a finalizer: then the component has to export what serves it.
    pub finalizer: bool,
    /// The settings that `joch:runtime/config` hands out: a JSON object, `{}` if there are none.
    pub config: String,
}

impl PluginSpec {
    /// What a manifest says of it; `config` is the operator's.
    #[must_use]
    pub fn of(manifest: &Manifest, digest: Digest, config: String) -> Self {
        Self {
            name: manifest.plugin.name.clone(),
            digest,
            limits: manifest.limits.clone(),
            http: !manifest.grant.http.is_empty(),
            finalizer: manifest.controllers.iter().any(|spec| spec.finalizer.is_some()),
            config,
        }
    }
}

/// A version of a plugin that can be called.
///
/// Guarantees: each call has a fresh instance, so nothing is kept between two calls; each returns within
/// its limits, whatever the guest does; a fault is attributed to the guest or to the host, never to both.
pub struct Plugin {
    engine: Engine,
    pre: ControllerPre<State>,
    /// The optional export: in no world of the bindings, so that the world without it stays loadable.
    finalize: Option<ComponentExportIndex>,
    spec: PluginSpec,
    config: Arc<str>,
}

type Answer = Result<types::Outcome, types::Failure>;
type Finalize = TypedFunc<(Resource<context::Request>,), (Answer,)>;

impl Plugin {
    /// Links a component. Nothing of it runs yet; see [`Self::trial`].
    ///
    /// # Errors
    /// [`LoadError::Import`], [`LoadError::NotRequested`], [`LoadError::Export`], [`LoadError::Finalizer`] or
    /// [`LoadError::Mismatch`], which name the interface.
    pub fn new(
        engine: &Engine,
        component: &Component,
        spec: PluginSpec,
    ) -> Result<Self, LoadError> {
        let linked = imports::link(engine.linker(spec.http), &component.0, spec.http)?;
        let pre = ControllerPre::new(linked)
            .map_err(|error| LoadError::Mismatch(format!("{error:#}")))?;
        let config = Arc::from(spec.config.as_str());
        let finalize = imports::finalize(&component.0);
        if spec.finalizer && finalize.is_none() {
            return Err(LoadError::Finalizer);
        }
        Ok(Self { engine: engine.clone(), pre, finalize, spec, config })
    }

    /// What the plugin was made with.
    #[must_use]
    pub fn spec(&self) -> &PluginSpec {
        &self.spec
    }

    /// Makes one instance, within the limits and without access to the cluster, and throws it away.
    ///
    /// # Errors
    /// [`LoadError::Trial`] with what went wrong: [`Failure::Host`] means that the host could not try,
    /// anything else that this version is unusable.
    pub async fn trial(&self) -> Result<(), LoadError> {
        let report = self.run(Arc::new(Detached), None).await;
        report.result.map(drop).map_err(LoadError::Trial)
    }

    /// Instantiates, and calls if there is a request.
    async fn run(&self, session: Arc<dyn Session>, request: Option<(Purpose, Request)>) -> Report {
        let limits = &self.spec.limits;
        let Some(_place) = self.engine.place().await else {
            return Report::of_host_failure("the engine is shutting down");
        };
        let clock = Arc::new(CpuClock::new());
        let roots = self.engine.roots();
        let mut store =
            store::new(self.engine.wasm(), limits, &self.config, session, &clock, roots);
        let attempt = clock.inside(self.attempt(&mut store, request));
        let result = match tokio::time::timeout(limits.wall.0, attempt).await {
            Ok(Ok(answer)) => answer,
            Ok(Err((phase, error))) => {
                let failure = blame(&error, phase, limits, &store.data().stderr.text());
                tracing::debug!(
                    error = format!("{error:#}"),
                    category = failure.category(),
                    "a call ended early"
                );
                Err(failure)
            }
            Err(_) => Err(Failure::Wall(limits.wall.0)),
        };
        store.data().log.finish();
        let memory = store.data().limiter.peak();
        Report { result, cpu: clock.used(), memory, late_ticks: clock.late_ticks() }
    }

    async fn attempt(
        &self,
        store: &mut Store<State>,
        request: Option<(Purpose, Request)>,
    ) -> Result<Result<Outcome, Failure>, (Phase, wasmtime::Error)> {
        let starting = |error: wasmtime::Error| (Phase::Instantiate, error);
        let in_call = |error: wasmtime::Error| (Phase::Call, error);
        let answer = match request {
            Some((Purpose::Reconcile, request)) => {
                let instance = self.pre.instantiate_async(&mut *store).await.map_err(starting)?;
                let request = store.data_mut().lend(request).map_err(in_call)?;
                let reconciler = instance.joch_controller_reconciler();
                reconciler.call_reconcile(store, request).await.map_err(in_call)?
            }
            Some((Purpose::Finalize, request)) => {
                let pre = self.pre.instance_pre();
                let instance = pre.instantiate_async(&mut *store).await.map_err(starting)?;
                let finalize = self.finalizer(store, &instance).map_err(starting)?;
                let missing = || HostFault("the component exports no finalizer".to_owned()).into();
                let finalize = finalize.ok_or_else(missing).map_err(starting)?;
                let request = store.data_mut().lend(request).map_err(in_call)?;
                let (answer,) = finalize.call_async(store, (request,)).await.map_err(in_call)?;
                answer
            }
            None => {
                let pre = self.pre.instance_pre();
                let instance = pre.instantiate_async(&mut *store).await.map_err(starting)?;
                Controller::new(&mut *store, &instance).map_err(starting)?;
                self.finalizer(store, &instance).map_err(starting)?;
                return Ok(Ok(Outcome::Done));
            }
        };
        Ok(convert::result(answer))
    }

    /// The optional export, with its type checked; none if the component has none.
    fn finalizer(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<Option<Finalize>> {
        let Some(index) = &self.finalize else { return Ok(None) };
        instance.get_typed_func(store, index).map(Some)
    }
}

#[async_trait]
impl Invoke for Plugin {
    async fn call(&self, call: Call) -> Report {
        let Call { purpose, controller, target, object, now_unix_ms, attempt, session } = call;
        let request = Request { controller, target, object, now_unix_ms, attempt };
        self.run(session, Some((purpose, request))).await
    }
}
