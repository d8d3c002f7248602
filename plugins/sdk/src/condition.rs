//! Conditions of a status.

use std::slice;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// One `metav1.Condition`. The host keeps `lastTransitionTime` and `observedGeneration`: they are only
/// read.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about, such as `Ready`.
    pub r#type: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one CamelCase word.
    #[serde(default)]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default)]
    pub message: String,
    /// Since when `status` is what it is.
    #[serde(default, skip_serializing)]
    pub last_transition_time: Option<Timestamp>,
    /// Which generation it speaks of.
    #[serde(default, skip_serializing)]
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// A condition to report. `status` is a [`ConditionStatus`] or a `bool`.
    ///
    /// ```
    /// use joch_plugin::Condition;
    ///
    /// let ready = Condition::new("Ready", false, "NoAgent", "agent `coder` does not exist");
    /// assert!(!ready.is_true());
    /// ```
    pub fn new(
        r#type: impl Into<String>,
        status: impl Into<ConditionStatus>,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            r#type: r#type.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            last_transition_time: None,
            observed_generation: None,
        }
    }

    /// `Ready`, true or false: the condition of kinds that live long.
    ///
    /// ```
    /// use joch_plugin::Condition;
    ///
    /// let up = Condition::ready(true, "Synced", "the ConfigMap is up to date");
    /// assert!(up.is_true());
    /// ```
    pub fn ready(
        status: impl Into<ConditionStatus>,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::new("Ready", status, reason, message)
    }

    /// `Ready` is false.
    pub fn not_ready(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::ready(false, reason, message)
    }

    /// Whether it holds.
    pub fn is_true(&self) -> bool {
        self.status == ConditionStatus::True
    }
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows.
    Unknown,
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// The `conditions` of a status: at most one of each type.
///
/// ```
/// use joch_plugin::{Condition, Conditions};
///
/// let mut conditions = Conditions::default();
/// conditions.set(Condition::not_ready("NoAgent", "agent `coder` does not exist"));
/// conditions.set(Condition::ready(true, "Synced", "all is well"));
/// assert!(conditions.is_true("Ready"));
/// assert_eq!(conditions.get("Ready").map(|ready| &*ready.reason), Some("Synced"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Conditions(Vec<Condition>);

impl Conditions {
    /// The condition of this type.
    pub fn get(&self, r#type: &str) -> Option<&Condition> {
        self.0.iter().find(|condition| condition.r#type == r#type)
    }

    /// Whether there is a condition of this type and it holds.
    pub fn is_true(&self, r#type: &str) -> bool {
        self.get(r#type).is_some_and(Condition::is_true)
    }

    /// Puts a condition in the place of the one of its type, or at the end.
    pub fn set(&mut self, condition: Condition) {
        match self.0.iter_mut().find(|known| known.r#type == condition.r#type) {
            Some(known) => *known = condition,
            None => self.0.push(condition),
        }
    }

    /// All of them.
    pub fn iter(&self) -> slice::Iter<'_, Condition> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Conditions {
    type Item = &'a Condition;
    type IntoIter = slice::Iter<'a, Condition>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Condition> for Conditions {
    fn from_iter<I: IntoIterator<Item = Condition>>(conditions: I) -> Self {
        let mut all = Self::default();
        conditions.into_iter().for_each(|condition| all.set(condition));
        all
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_holds_one_condition_of_each_type() {
        let list = json!([
            { "type": "Ready", "status": "False", "reason": "A", "message": "a" },
            { "type": "Stalled", "status": "True", "reason": "B", "message": "b" },
        ]);
        let mut conditions: Conditions = serde_json::from_value(list).unwrap();
        assert!(!conditions.is_true("Ready") && conditions.is_true("Stalled"));
        assert_eq!(conditions.get("Other"), None);
        assert!(!conditions.is_true("Other"));
        conditions.set(Condition::ready(true, "C", "c"));
        let reasons: Vec<&str> = conditions.iter().map(|condition| &*condition.reason).collect();
        assert_eq!(reasons, ["C", "B"]);
    }

    #[test]
    fn what_the_host_keeps_in_a_condition_is_read_but_not_written() {
        let text = json!({ "type": "Ready", "status": "True", "reason": "", "message": "",
            "lastTransitionTime": "2026-11-21T07:00:00Z", "observedGeneration": 3 });
        let ready: Condition = serde_json::from_value(text).unwrap();
        assert_eq!(ready.observed_generation, Some(3));
        assert_eq!(
            serde_json::to_value(ready).unwrap(),
            json!({ "type": "Ready", "status": "True", "reason": "", "message": "" })
        );
    }
}
