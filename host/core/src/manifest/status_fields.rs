//! Which spellings of a status make sense: each field is one thing, and none is the contract's own.

use super::StatusFields;

/// Fields that every status has under these names.
const CONTRACTS: [&str; 3] = ["conditions", "observedGeneration", "updatedAt"];

impl StatusFields {
    /// Checks that no field is two things, which would never settle, and no phase both running and terminal.
    ///
    /// # Errors
    /// A text that names the field or the phase.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { phase, started, finished, running, terminal } = self;
        let fields: Vec<&String> = [phase].into_iter().chain(started).chain(finished).collect();
        for (index, field) in fields.iter().enumerate() {
            if field.is_empty() {
                return Err("status: a field's name is empty".to_owned());
            }
            if CONTRACTS.contains(&field.as_str()) {
                return Err(format!("status: {field:?} is written by the host in every status"));
            }
            if fields.iter().skip(index + 1).any(|other| other == field) {
                return Err(format!(
                    "status: {field:?} is named twice among phase, started and finished"
                ));
            }
        }
        match running.iter().find(|phase| terminal.contains(phase)) {
            Some(phase) => Err(format!("status: the phase {phase:?} is both running and terminal")),
            None => Ok(()),
        }
    }
}
