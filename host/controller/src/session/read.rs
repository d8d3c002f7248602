//! Reads: the cache's answer, confirmed or live as the guest asks.

use std::sync::Arc;

use joch_core::dependency::Read;
use joch_core::grant::{KubeCall, Verb};
use joch_core::object::{ObjectKey, ObjectRef};
use joch_core::port::{Freshness, Json, KubeError, Query};
use joch_core::projection;
use joch_core::selector::Selector;
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;

use super::{Learnt, Session, key_of};
use crate::cached::Cached;
use crate::client::api;
use crate::hub::View;

/// How many objects one call to the API server brings.
const PAGE: u32 = 500;

impl Session {
    pub(super) async fn get(
        &self,
        what: &ObjectRef,
        freshness: Freshness,
    ) -> Result<Json, KubeError> {
        self.allow(&KubeCall::on(Verb::Get, &what.key), &what.key)?;
        self.record(Read::Object(what.key.clone()));
        if self.around.absent.contains(&what.key.kind) {
            return Err(KubeError::NotFound);
        }
        let view = self.around.views.get(&what.key.kind);
        let object = match (freshness, view) {
            (Freshness::Live, _) => self.get_live(&what.key).await?.whole,
            (_, None) => return Err(KubeError::NotWatched(what.key.kind.to_string())),
            (freshness, Some(view)) => match view.get(&what.key) {
                Some(object) => object,
                None if freshness == Freshness::Cached => return Err(KubeError::NotFound),
                None => self.get_live(&what.key).await?.kept,
            },
        };
        match &what.uid {
            Some(uid) if *uid != object.uid => Err(KubeError::NotFound),
            _ => Ok(object.json.clone()),
        }
    }

    /// The API server's answer, taken into the cache.
    pub(super) async fn get_live(&self, key: &ObjectKey) -> Result<Learnt, KubeError> {
        self.spend()?;
        self.fetch(key).await
    }

    /// The same for the host's own purposes: not counted against the guest's bound.
    pub(super) async fn fetch(&self, key: &ObjectKey) -> Result<Learnt, KubeError> {
        let served = self.served(&key.kind).await?;
        let api = api(&self.around.client, &served.resource, key.namespace.as_deref());
        let object = self.request("get", key, api.get(&key.name)).await?;
        self.learn(key, object)
    }

    pub(super) async fn list(
        &self,
        query: &Query,
        freshness: Freshness,
    ) -> Result<Vec<Json>, KubeError> {
        if freshness == Freshness::Live {
            return self.list_live(query).await;
        }
        let Some(view) = self.begin(query)? else { return Ok(Vec::new()) };
        select(view, query)?.iter().map(|object| project(&object.json, query)).collect()
    }

    pub(super) fn count(&self, query: &Query) -> Result<u64, KubeError> {
        let Some(view) = self.begin(query)? else { return Ok(0) };
        Ok(select(view, query)?.len() as u64)
    }

    async fn list_live(&self, query: &Query) -> Result<Vec<Json>, KubeError> {
        let target = self.allow_list(query)?;
        if self.around.absent.contains(&query.kind) {
            return Ok(Vec::new());
        }
        let owned =
            |owners: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference]| {
                query
                    .owned_by
                    .as_ref()
                    .is_none_or(|uid| owners.iter().any(|owner| owner.uid == *uid))
            };
        let served = self.served(&query.kind).await?;
        let api =
            api::<DynamicObject>(&self.around.client, &served.resource, query.namespace.as_deref());
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector = query.labels.clone();
        let mut objects = Vec::new();
        loop {
            // Each page counts, so that the bound of calls bounds the objects too.
            self.spend()?;
            let page = self.request("list", &target, api.list(&params)).await?;
            for object in page.items {
                let key = key_of(&query.kind, &object);
                let object = self.learn(&key, object)?.whole;
                if owned(&object.owners) {
                    objects.push((key, object));
                }
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break,
            }
        }
        objects.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        objects.iter().map(|(_, object)| project(&object.json, query)).collect()
    }

    /// Checks and records a query of the cache; none if the kind is an optional one that is not served.
    fn begin(&self, query: &Query) -> Result<Option<&View>, KubeError> {
        self.allow_list(query)?;
        match self.around.views.get(&query.kind) {
            None if !self.around.absent.contains(&query.kind) => {
                Err(KubeError::NotWatched(query.kind.to_string()))
            }
            view => Ok(view),
        }
    }

    fn allow_list(&self, query: &Query) -> Result<ObjectKey, KubeError> {
        let namespace = query.namespace.as_deref();
        let call = KubeCall {
            verb: Verb::List,
            kind: &query.kind,
            subresource: None,
            namespace,
            // Of a kind that has no namespaces, a query means the cluster scope.
            all_namespaces: namespace.is_none()
                && self.around.views.get(&query.kind).is_none_or(|view| view.served.namespaced),
        };
        let target = ObjectKey {
            kind: query.kind.clone(),
            namespace: query.namespace.clone(),
            name: String::new(),
        };
        self.allow(&call, &target)?;
        self.record(Read::Kind(query.kind.clone(), query.namespace.clone()));
        Ok(target)
    }
}

fn select(view: &View, query: &Query) -> Result<Vec<Arc<Cached>>, KubeError> {
    let selector = query.labels.as_deref().unwrap_or_default();
    let selector =
        Selector::parse(selector).map_err(|error| KubeError::Invalid(error.to_string()))?;
    let namespace = query.namespace.as_deref();
    Ok(view.select(query.owned_by.as_deref(), |key, object| {
        (namespace.is_none() || key.namespace.as_deref() == namespace)
            && selector.matches(&object.labels)
    }))
}

/// Cuts an object down to what the query asks for.
fn project(json: &Json, query: &Query) -> Result<Json, KubeError> {
    if query.fields.is_empty() && !query.metadata_only {
        return Ok(json.clone());
    }
    let unreadable = |error: serde_json::Error| KubeError::Other(error.to_string());
    let whole: Value = serde_json::from_str(json).map_err(unreadable)?;
    Ok(projection::project(&whole, query).map_err(KubeError::Invalid)?.to_string().into())
}
