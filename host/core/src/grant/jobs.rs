//! Starting Jobs: the bounds that a Job has to keep.

use serde::Deserialize;

/// Starting Jobs: `[grant.jobs]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JobGrant {
    /// Service accounts that pods may run as; `*` is any.
    pub service_accounts: Vec<String>,
    /// Whether pods may use Secrets of their namespace.
    #[serde(default)]
    pub secrets: SecretUse,
    /// Images that may be run; a trailing `*` matches any ending.
    pub images: Vec<String>,
    /// The pod security profile that is enforced.
    #[serde(default)]
    pub profile: Profile,
    /// How many Jobs may be unfinished at once.
    pub max_active: u32,
}

/// Whether pods may use Secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretUse {
    /// No Secrets.
    #[default]
    None,
    /// Those of the Job's own namespace.
    SameNamespace,
}

/// The pod security standards that a Job's pods have to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// As the API server's `restricted` profile.
    #[default]
    Restricted,
    /// As the API server's `baseline` profile.
    Baseline,
}

impl JobGrant {
    /// Whether the bounds leave any Job.
    ///
    /// # Errors
    /// One sentence that names the bound.
    pub fn check(&self) -> Result<(), String> {
        let empty = [
            (self.service_accounts.is_empty(), "service-accounts is an empty list"),
            (self.images.is_empty(), "images is an empty list"),
            (self.max_active == 0, "max-active is 0"),
        ];
        match empty.iter().find(|(empty, _)| *empty) {
            Some((_, what)) => Err(format!("jobs: {what}, so no Job could be started")),
            None => Ok(()),
        }
    }
}
