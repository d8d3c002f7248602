//! The condition `joch.dev/Parked`: the host's own word on an object that breaks the guest again and again.

use joch_core::grant::{self, KubeCall, Verb};
use joch_core::outcome::Failure;
use joch_core::port::KubeError;
use joch_core::status::{self, HostCondition, Plan};

use super::Session;

/// The condition's type.
const PARKED: &str = "joch.dev/Parked";
/// How often a write is computed anew after somebody else was faster.
const TRIES: u32 = 3;

impl Session {
    /// Sets the condition: True with the failure, or False if the object had it. A plugin that may not
    /// write the status, and a kind that has none, get no condition; the Event and the metric tell it then.
    ///
    /// # Errors
    /// The write failed; the next turn tries again.
    pub(crate) async fn park(&self, failure: Option<&Failure>) -> Result<(), KubeError> {
        let had = self.newest().json.contains(PARKED);
        if self.is_shadow() || !self.may_report() || (failure.is_none() && !had) {
            return Ok(());
        }
        let message = failure.map(ToString::to_string).unwrap_or_default();
        let condition = HostCondition {
            kind: PARKED,
            holds: failure.is_some(),
            reason: failure.map_or("Recovered", Failure::category),
            message: &message,
        };
        for _ in 0..TRIES {
            match self.try_park(condition).await {
                Err(KubeError::Stale) => match self.fetch(&self.key).await {
                    Ok(_) => {}
                    Err(KubeError::NotFound) => return Ok(()),
                    // Without the newest version, another try would only be refused again.
                    Err(error) => return Err(error),
                },
                Err(KubeError::NotFound) => return Ok(()),
                answer => return answer,
            }
        }
        Err(KubeError::Stale)
    }

    async fn try_park(&self, condition: HostCondition<'_>) -> Result<(), KubeError> {
        let newest = self.newest();
        if newest.uid != self.primary.uid {
            return Ok(());
        }
        let plan = self.with_circumstances(|circumstances| {
            let object = serde_json::from_str(&newest.json)
                .map_err(|error: serde_json::Error| KubeError::Other(error.to_string()))?;
            // A condition that is told again and again would wake its object again and again.
            if !condition.holds && !status::holds(&object, condition.kind) {
                return Ok(Plan::Unchanged);
            }
            Ok(status::set(&object, condition, circumstances))
        })?;
        match plan {
            Plan::Write { patch, expected } => self.write_status(&newest, patch, &expected).await,
            Plan::Unchanged | Plan::Superseded => Ok(()),
        }
    }

    /// Whether the plugin may write its primary's status; asked for the host's own sake, so not counted.
    fn may_report(&self) -> bool {
        let call = KubeCall { subresource: Some("status"), ..KubeCall::on(Verb::Patch, &self.key) };
        let authority = &self.version.authority;
        grant::decide(&authority.requested, &authority.granted, &call, self.namespace()).is_ok()
    }
}
