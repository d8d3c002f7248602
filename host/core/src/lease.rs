//! Which replica of the host runs which plugin (G9). Pure: requests and their answers are values, time is
//! passed in.
//!
//! Every replica keeps one *member* Lease alive. A *seat* is what only one replica may have: a plugin, or
//! the kind that a plugin reconciles. A seat's Lease names a member and is worth as much as that member's
//! Lease, so that many seats cost no renewals.
//!
//! # Why two replicas never write for one plugin
//! 1. A replica writes only while its own Lease was renewed less than [`Times::deadline`] ago, counted from
//!    when the renewal was *sent* ([`Tenure::is_open`]).
//! 2. A seat is taken only if it has no Lease, or if its member has none. An answered list is one moment of
//!    the cluster, and a member's Lease is made before any seat names it; so a missing one is over.
//! 3. A member's Lease is deleted by others only in the very version that was seen unchanged for
//!    [`Times::expiry`], which is longer than the deadline: a renewal that comes late, or that was not seen,
//!    makes the deletion fail; one that comes after the deletion fails itself.
//! 4. A name of a member is never used twice.
//!
//! Clocks need not agree; they may run apart by [`Times::margin`] within an expiry.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::name::PluginName;
use crate::object::Gvk;

mod place;
mod replica;
mod tenure;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use replica::{Held, Replica, Step, Wishes};
pub use tenure::Tenure;

/// A member's name: one start of one replica, never used again.
pub type Member = String;

/// A Lease's resourceVersion, which is only compared.
pub type Version = String;

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// A replica that died is replaced within this time.
    pub duration: Duration,
    /// How long after its last renewal a replica still writes.
    pub deadline: Duration,
    /// How often it renews.
    pub retry: Duration,
}

/// Why three times cannot be used together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a lease of {duration:?} with a renew deadline of {deadline:?} and a retry period of {retry:?} is not \
     safe: the retry period must be above zero and below the deadline, and the duration at least the \
     deadline and two retry periods"
)]
pub struct UnsafeTimes {
    duration: Duration,
    deadline: Duration,
    retry: Duration,
}

impl Times {
    /// The times of the design: 30 s, 20 s, 5 s.
    pub const DEFAULT: Self = Self {
        duration: Duration::from_secs(30),
        deadline: Duration::from_secs(20),
        retry: Duration::from_secs(5),
    };

    /// The same times, if they keep two replicas apart.
    ///
    /// # Errors
    /// [`UnsafeTimes`], with the rule.
    pub fn checked(self) -> Result<Self, UnsafeTimes> {
        let Self { duration, deadline, retry } = self;
        let safe = !retry.is_zero() && retry < deadline && duration >= deadline + 2 * retry;
        if safe { Ok(self) } else { Err(UnsafeTimes { duration, deadline, retry }) }
    }

    /// How long a member's Lease has to be seen unchanged before its member counts as dead: one retry less
    /// than its duration, since that is what looking may be late by.
    #[must_use]
    pub fn expiry(self) -> Duration {
        self.duration.saturating_sub(self.retry)
    }

    /// From when a dead member wrote last until others may know: what clocks may run apart by.
    #[must_use]
    pub fn margin(self) -> Duration {
        self.expiry().saturating_sub(self.deadline)
    }

    /// How often a replica looks what others do.
    #[must_use]
    pub fn look(self) -> Duration {
        self.retry / 2
    }

    /// How long the same members have to be there before a seat is handed over to another one that is as
    /// good, so that a rolling update moves each plugin as seldom as possible.
    #[must_use]
    pub fn settle(self) -> Duration {
        2 * self.duration
    }
}

/// What one replica may have at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Seat {
    /// Running a plugin.
    Plugin(PluginName),
    /// Reconciling a kind: group and kind in lower case.
    Kind(String),
}

impl Seat {
    /// The seat of a kind, whatever its version.
    #[must_use]
    pub fn of_kind(kind: &Gvk) -> Self {
        let name = match &*kind.group {
            "" => kind.kind.to_string(),
            group => format!("{}.{group}", kind.kind),
        };
        Self::Kind(name.to_lowercase())
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin(name) => write!(f, "plugin-{name}"),
            Self::Kind(kind) => write!(f, "kind-{kind}"),
        }
    }
}

/// A member's Lease as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its version.
    pub version: Version,
    /// The plugins that the member could run.
    pub plugins: BTreeSet<PluginName>,
}

/// A seat's Lease as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its version.
    pub version: Version,
    /// Whose it is, if that member still has a Lease.
    pub holder: Member,
    /// For which plugin.
    pub plugin: PluginName,
}

/// All Leases at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The members.
    pub members: BTreeMap<Member, Seen>,
    /// The seats.
    pub seats: BTreeMap<Seat, Taken>,
}

impl Snapshot {
    /// Whose a seat is: none if it has no Lease, or the member that it names has none.
    #[must_use]
    pub fn holder(&self, seat: &Seat) -> Option<&Taken> {
        self.seats.get(seat).filter(|taken| self.members.contains_key(&taken.holder))
    }
}

/// A request that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Make the own Lease.
    Join {
        /// Its member.
        member: Member,
        /// The plugins that it could run.
        plugins: BTreeSet<PluginName>,
    },
    /// Renew the own Lease, which must have this version.
    Renew {
        /// Its member.
        member: Member,
        /// The plugins that it could run.
        plugins: BTreeSet<PluginName>,
        /// The version.
        version: Version,
    },
    /// List all Leases: the newest there are, in one answer.
    List,
    /// Take a seat: replace its Lease, which must have this version, or make it.
    Take {
        /// The seat.
        seat: Seat,
        /// Who takes it.
        member: Member,
        /// For which plugin.
        plugin: PluginName,
        /// The version of the Lease that is replaced.
        version: Option<Version>,
    },
    /// Delete a seat's Lease, which must have this version.
    Vacate {
        /// The seat.
        seat: Seat,
        /// The version.
        version: Version,
    },
    /// Delete a member's Lease, which must have this version. Its seats are free from then on.
    End {
        /// The member.
        member: Member,
        /// The version.
        version: Version,
    },
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was done; the Lease has this version now, if it is still there.
    Done(Version),
    /// It was refused, since something is not as it was thought to be.
    Refused,
    /// Not known: it may have been done, or be done later.
    Unknown,
    /// The list.
    Listed(Snapshot),
}
