//! Values of Secrets: read from the API server each time, for one use that the authority allows.
//!
//! # Guarantees
//! - A value is never put into a cache, a log or an error.
//! - A changed Secret is used with its new value from the next use on.
//! - The read is a dependency only if the manifest watches Secrets: without a watch nothing could wake the
//!   object, so nothing is noted.

use joch_core::dependency::Read;
use joch_core::grant::{Verb, decide_secret};
use joch_core::object::{Gvk, ObjectKey};
use joch_core::port::{KubeError, SecretRef, SecretUse, SecretValue};
use k8s_openapi::api::core::v1::Secret;
use kube::Resource as _;
use kube::api::{GetParams, Request};
use secrecy::zeroize::Zeroizing;

use super::Session;

impl Session {
    pub(super) async fn secret(
        &self,
        secret: &SecretRef,
        wanted: &SecretUse,
    ) -> Result<SecretValue, KubeError> {
        let SecretRef { namespace, name, key } = secret;
        let place = namespace.as_deref().or(self.namespace());
        let target = ObjectKey {
            kind: Gvk::new("", "v1", "Secret"),
            namespace: place.map(str::to_owned),
            name: name.clone(),
        };
        let rules = &self.version.authority.secrets;
        decide_secret(&rules.requested, &rules.granted, secret, wanted, self.namespace())
            .map_err(|missing| self.denied(Verb::Get.as_str(), &target, missing))?;
        if !target.is_plain() {
            return Err(KubeError::Invalid(format!("no object can be named {target}")));
        }
        let Some(place) = place else {
            let text = "the object is in no namespace, so the Secret's has to be named".to_owned();
            return Err(KubeError::Invalid(text));
        };
        if self.around.views.contains_key(&target.kind) {
            self.record(Read::Object(target.clone()));
        }
        self.spend()?;
        // The client would log an answer that it cannot read.
        let text = async {
            let request = Request::new(Secret::url_path(&(), Some(place)))
                .get(name, &GetParams::default())
                .map_err(kube::Error::BuildRequest)?;
            self.around.client.request_text(request).await.map(Zeroizing::new)
        };
        let text = self.request("get", &target, text).await?;
        take(&text, key)
    }
}

/// One value out of a Secret's JSON.
fn take(text: &str, key: &str) -> Result<SecretValue, KubeError> {
    let unreadable =
        |_| KubeError::Other("the Secret cannot be read: it is not as expected".into());
    let secret: Secret = serde_json::from_str(text).map_err(unreadable)?;
    let mut data = secret.data.unwrap_or_default();
    let value = data.remove(key).map(|value| SecretValue::from(value.0));
    data.into_values().for_each(|other| drop(Zeroizing::new(other.0)));
    value.ok_or(KubeError::NotFound)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn one_value_is_taken_and_shows_nothing_of_itself() {
        let text = r#"{"apiVersion":"v1","kind":"Secret","data":{"a":"YXBwbGU=","b":"YnJlYWQ="}}"#;
        let value = take(text, "b").unwrap();
        assert_eq!(value.expose_secret(), b"bread");
        assert!(!format!("{value:?}").contains("bread") && !format!("{value:?}").contains("98"));
        assert_eq!(take(text, "c").unwrap_err(), KubeError::NotFound);
        assert_eq!(take(r#"{"kind":"Secret"}"#, "a").unwrap_err(), KubeError::NotFound);
    }

    #[test]
    fn an_unreadable_secret_is_not_quoted() {
        let error = take(r#"{"data":{"a":{"pass":"word"}}}"#, "a").unwrap_err().to_string();
        assert!(!error.contains("pass") && !error.contains("word"), "{error}");
    }
}
