//! `joch:runtime/secrets`: placeholders for values of Secrets, and with a grant the values themselves.

use joch_bindings::v0_1::joch::kube::types;
use joch_bindings::v0_1::joch::runtime::secrets;
use joch_core::port::{KubeError, SecretRef, SecretUse};
use secrecy::ExposeSecret as _;
use wasmtime::Result;

use crate::convert;
use crate::store::State;

impl secrets::Host for State {
    async fn placeholder(
        &mut self,
        secret: secrets::SecretRef,
    ) -> Result<Result<String, types::Error>> {
        let secret = reference(secret);
        let allowed =
            self.cluster.ask(|session| session.secret(&secret, SecretUse::Placeholder)).await;
        Ok(allowed.and_then(|_| self.outgoing.placeholders.mint(secret)).map_err(convert::to_error))
    }

    async fn reveal(&mut self, secret: secrets::SecretRef) -> Result<Result<String, types::Error>> {
        let secret = reference(secret);
        let value = self.cluster.ask(|session| session.secret(&secret, SecretUse::Reveal)).await;
        let text = value.and_then(|value| {
            let text = str::from_utf8(value.expose_secret()).map_err(|_| {
                let SecretRef { name, key, .. } = &secret;
                KubeError::Invalid(format!("the value {key:?} of Secret {name:?} is not UTF-8"))
            })?;
            Ok(text.to_owned())
        });
        Ok(text.map_err(convert::to_error))
    }
}

fn reference(secret: secrets::SecretRef) -> SecretRef {
    let secrets::SecretRef { namespace, name, key } = secret;
    SecretRef { namespace, name, key }
}
