//! The texts that stand for values of Secrets during one call.

use std::collections::HashMap;

use joch_core::port::{KubeError, SecretRef};

/// Placeholders that one call may hold.
const MOST: usize = 64;
/// What every placeholder begins with.
const PREFIX: &str = "joch-secret-";

/// The placeholders of one call. They are random, so that none can be guessed, and die with the call.
#[derive(Debug, Default)]
pub(crate) struct Placeholders(HashMap<String, SecretRef>);

impl Placeholders {
    /// A text that stands for `secret` from now on.
    ///
    /// # Errors
    /// [`KubeError::OverLimit`] if the call holds too many.
    pub(crate) fn mint(&mut self, secret: SecretRef) -> Result<String, KubeError> {
        if self.0.len() >= MOST {
            return Err(KubeError::OverLimit(format!("{MOST} placeholders of Secrets per call")));
        }
        let text = format!("{PREFIX}{:032x}", rand::random::<u128>());
        self.0.insert(text.clone(), secret);
        Ok(text)
    }
}
