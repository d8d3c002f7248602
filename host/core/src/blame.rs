//! Who is to blame when a reconcile fails (G8): decided once per call, from its result and from what the
//! host saw of the API server meanwhile.

use std::time::Duration;

use crate::outcome::Failure;

/// Who a failed call is blamed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The cluster: the API server could not be reached, or did not answer in time. What the guest made of
    /// that, up to a trap, says nothing about it.
    Cluster,
    /// The cluster too, but for longer: it refused what the plugin may do, since the host's own rights are
    /// missing, or since the namespace is being deleted. Trying again soon would not help.
    Refusal,
    /// The host itself.
    Host,
    /// The object, in the guest's own words.
    Object,
    /// The guest broke on the object: which of the two it is, is seen from the calls for other objects
    /// ([`crate::breaker`]).
    Guest,
}

/// What the host saw of the API server during one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trouble {
    /// How many requests had no answer, or one that says "not now" (429, 5xx, a lost lease).
    pub unanswered: u32,
    /// How long the call waited for answers.
    pub waited: Duration,
    /// How many requests were refused for what neither the plugin nor the object can mend: the host's own
    /// rights are missing, or the namespace is being deleted.
    pub refused: u32,
}

impl Blame {
    /// Blames a failure.
    ///
    /// A call that ran out of its wall time is the cluster's fault if at least half of that time passed in
    /// waiting for the API server. Guests that computed or allocated too much, or trapped, are excused only
    /// if a request of theirs was not answered, or refused for reasons that are not theirs.
    #[must_use]
    pub fn of(failure: &Failure, trouble: Trouble) -> Self {
        let slow = matches!(failure, Failure::Wall(wall) if trouble.waited >= *wall / 2);
        match failure {
            _ if trouble.unanswered > 0 || slow => Self::Cluster,
            _ if trouble.refused > 0 => Self::Refusal,
            Failure::Host(_) => Self::Host,
            Failure::Transient(_) | Failure::Permanent(_) => Self::Object,
            Failure::Trap(_) | Failure::Cpu(_) | Failure::Wall(_) | Failure::Memory(_) => {
                Self::Guest
            }
        }
    }

    /// Whether it is on nobody's record: neither the object's nor the plugin's.
    #[must_use]
    pub fn is_the_clusters(self) -> bool {
        matches!(self, Self::Cluster | Self::Refusal)
    }

    /// One word for metrics and logs, from a closed set.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Refusal => "refusal",
            Self::Host => "host",
            Self::Object => "object",
            Self::Guest => "guest",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Problem;

    #[test]
    fn an_outage_is_nobodys_fault_and_everything_else_is_somebodys() {
        const WALL: Duration = Duration::from_secs(30);
        let problem = || Problem { reason: "R".into(), message: "m".into(), retry_after: None };
        let calm = Trouble::default();
        let outage = Trouble { unanswered: 1, ..calm };
        let refused = Trouble { refused: 1, ..calm };
        let waited = |seconds| Trouble { waited: Duration::from_secs(seconds), ..calm };
        let table = [
            (Failure::Host("x".into()), calm, Blame::Host),
            (Failure::Host("the finalizer cannot be set".into()), outage, Blame::Cluster),
            (Failure::Transient(problem()), calm, Blame::Object),
            (Failure::Transient(problem()), outage, Blame::Cluster),
            (Failure::Permanent(problem()), calm, Blame::Object),
            (Failure::Permanent(problem()), outage, Blame::Cluster),
            (Failure::Trap("t".into()), calm, Blame::Guest),
            (Failure::Trap("t".into()), outage, Blame::Cluster),
            (Failure::Trap("t".into()), waited(29), Blame::Guest),
            (Failure::Cpu(WALL), waited(29), Blame::Guest),
            (Failure::Memory(1), outage, Blame::Cluster),
            (Failure::Wall(WALL), waited(14), Blame::Guest),
            (Failure::Wall(WALL), waited(15), Blame::Cluster),
            (Failure::Wall(WALL), outage, Blame::Cluster),
            (Failure::Permanent(problem()), refused, Blame::Refusal),
            (Failure::Trap("t".into()), refused, Blame::Refusal),
            (Failure::Host("the finalizer cannot be set".into()), refused, Blame::Refusal),
            (Failure::Transient(problem()), Trouble { refused: 1, ..outage }, Blame::Cluster),
        ];
        for (failure, trouble, expected) in table {
            assert_eq!(Blame::of(&failure, trouble), expected, "{failure:?} {trouble:?}");
        }
    }
}
