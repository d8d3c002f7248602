//! What a manifest asks for, as rows, and the parts of it that need more than a yes.

use joch_core::authority::{Allow, Authority, Entry, GrantError};
use joch_core::manifest::{Manifest, Requests};
use joch_core::told::{self, Told};
use serde::Serialize;

/// One request.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Request {
    /// kube, jobs, http or secrets: the section of the manifest.
    pub(super) of: &'static str,
    pub(super) what: String,
    #[serde(rename = "where")]
    pub(super) place: String,
    pub(super) required: bool,
}

/// The requests of a manifest, in its order.
pub(super) fn of(requests: &Requests) -> Vec<Request> {
    let row = |Told { of, what, place, required }| Request {
        of,
        what,
        place: place.unwrap_or_else(|| "-".to_owned()),
        required,
    };
    told::requests(requests).into_iter().map(row).collect()
}

/// The parts of the requests that an operator has to say `dangerous` for.
pub(super) fn dangerous(manifest: &Manifest) -> Result<Vec<String>, GrantError> {
    // What no plugin is ever granted is refused whatever the operator says.
    granted(manifest, true)?;
    match granted(manifest, false) {
        Ok(authority) => Ok(authority.missing_optional),
        Err(GrantError::Missing { missing, .. }) => Ok(missing),
        Err(error) => Err(error),
    }
}

/// What the plugin may do if it is granted all that it asks for.
pub(super) fn granted(manifest: &Manifest, dangerous: bool) -> Result<Authority, GrantError> {
    Entry { allow: Allow::Requested, dangerous, ..Entry::default() }.authority(manifest)
}
