//! The client of the API server, and the few calls that the host makes with it.

use std::path::Path;
use std::time::Duration;

use joch_core::object::ObjectKey;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::DynamicResourceScope;
use kube::{Client, Config, Resource};

use crate::fence::FenceLayer;

/// How long a request may take. A read that takes longer is given up; a write is not repeated before its
/// answer is known or this time is over.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig file cannot be used.
    #[error("kubeconfig {path:?} cannot be used: {source}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: kube::config::KubeconfigError,
    },
    /// Neither a kubeconfig nor a service account was found.
    #[error(
        "no cluster is configured: {0}; give --kubeconfig FILE, set KUBECONFIG, or run in a pod with a \
         service account"
    )]
    Infer(#[source] kube::config::InferConfigError),
    /// The client cannot be built from the configuration.
    #[error("the client for the API server cannot be built: {0}")]
    Client(#[source] kube::Error),
}

/// Connects with the given kubeconfig file, else as kubectl or a pod would.
///
/// The client's own retries are off: one place retries, above the checks (design decision 14).
///
/// # Errors
/// [`ConnectError`], which names the file or says what to set. No request is made.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    build(configuration(kubeconfig).await?)
}

/// Connects as [`connect`] does, for requests that are worth nothing after `patience`.
///
/// # Errors
/// As [`connect`].
pub(crate) async fn connect_quickly(
    kubeconfig: Option<&Path>,
    patience: Duration,
) -> Result<Client, ConnectError> {
    let mut config = configuration(kubeconfig).await?;
    config.connect_timeout = Some(patience);
    config.read_timeout = Some(patience);
    config.write_timeout = Some(patience);
    build(config)
}

/// The fence is the last that a request passes before it gets a connection.
fn build(config: Config) -> Result<Client, ConnectError> {
    let builder = ClientBuilder::try_from(config).map_err(ConnectError::Client)?;
    Ok(builder.with_layer(&FenceLayer).build())
}

/// Connects as [`connect`] does, for watches: an answer that is silent for longer than `stall` is given up.
/// A watch that works is never silent for so long, since the API server sends a bookmark every minute.
///
/// # Errors
/// As [`connect`].
pub async fn connect_watching(
    kubeconfig: Option<&Path>,
    stall: Duration,
) -> Result<Client, ConnectError> {
    let mut config = configuration(kubeconfig).await?;
    config.read_timeout = Some(stall);
    // The time counts from the request, not from when its connection was last used.
    config.reset_reader_on_write = true;
    build(config)
}

async fn configuration(kubeconfig: Option<&Path>) -> Result<Config, ConnectError> {
    let mut config = match kubeconfig {
        Some(path) => {
            let named =
                |source| ConnectError::Kubeconfig { path: path.display().to_string(), source };
            let file = Kubeconfig::read_from(path).map_err(named)?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .map_err(named)?
        }
        None => Config::infer().await.map_err(ConnectError::Infer)?,
    };
    config.default_retry = false;
    Ok(config)
}

/// The calls on objects of one kind in one namespace (or in the cluster scope).
pub(crate) fn api<K>(client: &Client, resource: &ApiResource, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    }
}

/// A write as it is sent.
pub(crate) enum Write {
    Create(Box<DynamicObject>),
    Patch { patch: Patch<serde_json::Value>, subresource: Option<String>, force: bool },
    Delete(DeleteParams),
}

/// Sends one write; the answer is none if it removed the object.
pub(crate) async fn send(
    api: &Api<DynamicObject>,
    key: &ObjectKey,
    manager: &str,
    write: Write,
) -> Result<Option<DynamicObject>, kube::Error> {
    let field_manager = Some(manager.to_owned());
    match write {
        Write::Create(object) => {
            let params = PostParams { field_manager, ..PostParams::default() };
            api.create(&params, &object).await.map(Some)
        }
        Write::Patch { patch, subresource, force } => {
            let params = PatchParams { field_manager, force, ..PatchParams::default() };
            match subresource {
                None => api.patch(&key.name, &params, &patch).await.map(Some),
                Some(sub) => {
                    api.patch_subresource(&sub, &key.name, &params, &patch).await.map(Some)
                }
            }
        }
        Write::Delete(params) => api.delete(&key.name, &params).await.map(|answer| answer.left()),
    }
}
