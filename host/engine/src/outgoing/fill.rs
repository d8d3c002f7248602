//! Puts the values of Secrets in the place of their placeholders, in the headers of one request.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use http::{HeaderValue, Request};
use joch_core::port::{HttpCall, KubeError, SecretRef, SecretUse, SecretValue, Session};
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use wasmtime_wasi_http::{Error, Result};

use super::refused;
use crate::placeholders::{Part, Template};

/// Bytes of all headers that hold values.
const FILLED: usize = 128 << 10;

/// Replaces each header that holds placeholders.
///
/// # Errors
/// If a Secret may not go to the request's origin, is not there, or has a value that no header can hold;
/// none of the texts says anything about the value.
pub(super) async fn fill<B>(
    mut request: Request<B>,
    templates: Vec<Template>,
    call: &HttpCall,
    session: &dyn Session,
) -> Result<Request<B>> {
    let mut values: HashMap<SecretRef, SecretValue> = HashMap::new();
    let mut room = FILLED;
    for Template { header, index, parts } in templates {
        let mut text = Zeroizing::new(Vec::new());
        for part in parts {
            let secret = match part {
                Part::Text(plain) => {
                    text.extend_from_slice(&plain);
                    continue;
                }
                Part::Secret(secret) => secret,
            };
            let value = match values.entry(secret) {
                Entry::Occupied(held) => held.into_mut(),
                Entry::Vacant(free) => {
                    let wanted = SecretUse::Send { origin: call.origin.clone() };
                    let value = session.secret(free.key(), wanted).await.map_err(refused)?;
                    sendable(free.key(), &value)?;
                    free.insert(value)
                }
            };
            let value = value.expose_secret();
            room = room.checked_sub(value.len()).ok_or_else(too_long)?;
            text.extend_from_slice(value);
        }
        let mut filled = HeaderValue::from_bytes(&text)
            .map_err(|_| Error::InternalError(Some(format!("header {header} is malformed"))))?;
        filled.set_sensitive(true);
        if let Some(place) = request.headers_mut().iter_mut().nth(index) {
            *place.1 = filled;
        }
    }
    Ok(request)
}

fn too_long() -> Error {
    refused(KubeError::OverLimit(format!("{FILLED} bytes of Secrets in one request")))
}

/// A value made with `echo` ends in a line break, which would end the header: worth a word.
fn sendable(secret: &SecretRef, value: &SecretValue) -> Result<()> {
    if HeaderValue::from_bytes(value.expose_secret()).is_ok() {
        return Ok(());
    }
    let SecretRef { name, key, .. } = secret;
    let text = format!(
        "the value {key:?} of Secret {name:?} cannot be sent in a header: it contains line breaks or \
         other control characters"
    );
    Err(Error::InternalError(Some(text)))
}
