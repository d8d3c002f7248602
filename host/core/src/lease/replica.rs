//! One replica: what it asks next, and what it makes of the answers. One request at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::place::owner;
use super::tenure::Membership;
use super::{Answer, Ask, Member, Seat, Snapshot, Taken, Tenure, Times, Version};
use crate::name::PluginName;

/// What the replica is wanted to do; level-based.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The plugins that it could run.
    pub plugins: BTreeSet<PluginName>,
    /// The plugins that it is running, or about to: their seats are not given up.
    pub running: BTreeSet<PluginName>,
    /// The kinds that its plugins reconcile, or are about to.
    pub kinds: BTreeMap<Seat, PluginName>,
    /// Everything is drained: end the membership.
    pub leave: bool,
}

/// A plugin whose seat the replica has.
#[derive(Debug, Clone)]
pub struct Held {
    /// What its requests are checked against.
    pub tenure: Tenure,
    /// The plugin belongs to another member: it is to be drained.
    pub asked_back: bool,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this, and bring the answer.
    Ask(Ask),
    /// Nothing before this time, unless a wish changes.
    Wait(Duration),
    /// The membership is ended.
    Left,
}

/// A seat that is the replica's own.
#[derive(Debug)]
struct Own {
    version: Version,
    plugin: PluginName,
    tenure: Tenure,
    since: Duration,
    asked_back: bool,
}

/// How another member's Lease was seen last.
#[derive(Debug)]
struct Sight {
    version: Version,
    /// When this version was seen first.
    since: Duration,
}

/// The state of one replica.
#[derive(Debug)]
pub struct Replica {
    name: String,
    /// Counts its memberships, so that no name is used twice.
    number: u64,
    times: Times,
    wishes: Wishes,
    member: Member,
    membership: Membership,
    /// The own Lease's version, if it is known to exist.
    version: Option<Version>,
    /// The own Lease existed once.
    joined: bool,
    /// When the own Lease is made or renewed next.
    renew_at: Duration,
    own: BTreeMap<Seat, Own>,
    /// What was listed last, with what was done since; none if something else than expected was met.
    snapshot: Option<Snapshot>,
    look_at: Duration,
    /// When a list was answered last.
    looked: Option<Duration>,
    sights: BTreeMap<Member, Sight>,
    /// Since when the live members are the same.
    steady_since: Duration,
}

impl Replica {
    /// A replica that is no member yet. `name` is used by no other start of a replica: its members'
    /// names begin with it.
    #[must_use]
    pub fn new(name: String, times: Times) -> Self {
        Self {
            member: format!("{name}-1"),
            name,
            number: 1,
            times,
            wishes: Wishes::default(),
            membership: Membership::default(),
            version: None,
            joined: false,
            renew_at: Duration::ZERO,
            own: BTreeMap::new(),
            snapshot: None,
            look_at: Duration::ZERO,
            looked: None,
            sights: BTreeMap::new(),
            steady_since: Duration::ZERO,
        }
    }

    /// Its member's name.
    #[must_use]
    pub fn member(&self) -> &str {
        &self.member
    }

    /// From now on this is wanted.
    pub fn wish(&mut self, wishes: Wishes) {
        if wishes.plugins != self.wishes.plugins {
            self.renew_at = Duration::ZERO;
        }
        self.wishes = wishes;
    }

    /// The plugins whose seats it has.
    #[must_use]
    pub fn held(&self) -> BTreeMap<PluginName, Held> {
        let held = self.own.iter().filter_map(|(seat, own)| match seat {
            Seat::Plugin(name) if !own.tenure.is_over() => {
                let (tenure, asked_back) = (own.tenure.clone(), own.asked_back);
                Some((name.clone(), Held { tenure, asked_back }))
            }
            _ => None,
        });
        held.collect()
    }

    /// Whether it has a seat.
    #[must_use]
    pub fn has(&self, seat: &Seat) -> bool {
        self.own.contains_key(seat)
    }

    /// What is known of all Leases; none while it is not known.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// What to do at `now`.
    pub fn next(&mut self, now: Duration) -> Step {
        if self.wishes.leave {
            return self.leave(now);
        }
        let due = now >= self.renew_at;
        let (member, plugins) = (self.member.clone(), self.wishes.plugins.clone());
        match &self.version {
            None if !self.joined && due => return Step::Ask(Ask::Join { member, plugins }),
            Some(version) if due => {
                let version = version.clone();
                return Step::Ask(Ask::Renew { member, plugins, version });
            }
            _ => {}
        }
        if let Some(ask) = self.decide(now) {
            return Step::Ask(ask);
        }
        if now >= self.look_at {
            return Step::Ask(Ask::List);
        }
        let expiries = self.sights.values().map(|sight| sight.since + self.times.expiry());
        let expiry = expiries.filter(|at| *at > now).min().unwrap_or(Duration::MAX);
        let renew =
            if self.version.is_some() || !self.joined { self.renew_at } else { Duration::MAX };
        Step::Wait(self.look_at.min(expiry).min(renew))
    }

    /// The last request of all; the fence is closed before.
    fn leave(&mut self, now: Duration) -> Step {
        self.give_up();
        match &self.version {
            Some(version) => {
                let (member, version) = (self.member.clone(), version.clone());
                Step::Ask(Ask::End { member, version })
            }
            None if self.joined && now >= self.look_at => Step::Ask(Ask::List),
            None if self.joined => Step::Wait(self.look_at),
            None => Step::Left,
        }
    }

    /// What the last list, the clock and the wishes ask for.
    fn decide(&mut self, now: Duration) -> Option<Ask> {
        self.version.as_ref()?;
        self.ask_back(now);
        let snapshot = self.snapshot.as_ref()?;
        for (seat, own) in &self.own {
            if self.is_done_with(seat, own) {
                own.tenure.close();
                let (seat, version) = (seat.clone(), own.version.clone());
                return Some(Ask::Vacate { seat, version });
            }
        }
        let plugins = self.wishes.plugins.iter();
        let plugins = plugins.filter(|plugin| belongs_to(&self.member, snapshot, plugin));
        let plugins = plugins.map(|plugin| (Seat::Plugin(plugin.clone()), plugin));
        let kinds = self.wishes.kinds.iter().map(|(seat, plugin)| (seat.clone(), plugin));
        for (seat, plugin) in plugins.chain(kinds) {
            if self.own.contains_key(&seat) || snapshot.holder(&seat).is_some() {
                continue;
            }
            let version = snapshot.seats.get(&seat).map(|taken| taken.version.clone());
            let (member, plugin) = (self.member.clone(), plugin.clone());
            return Some(Ask::Take { seat, member, plugin, version });
        }
        let seeing = self.looked.is_some_and(|looked| now < looked + self.blind());
        for (member, sight) in self.sights.iter().filter(|_| seeing) {
            let dead = now >= sight.since + self.times.expiry();
            if dead && snapshot.members.contains_key(member) {
                let (member, version) = (member.clone(), sight.version.clone());
                return Some(Ask::End { member, version });
            }
        }
        let wanted = |plugin: &PluginName| {
            self.wishes.plugins.contains(plugin)
                || snapshot.members.values().any(|seen| seen.plugins.contains(plugin))
        };
        let left = |(seat, taken): &(&Seat, &Taken)| {
            snapshot.holder(seat).is_none() && !wanted(&taken.plugin)
        };
        let (seat, taken) = snapshot.seats.iter().find(left)?;
        Some(Ask::Vacate { seat: seat.clone(), version: taken.version.clone() })
    }

    fn is_done_with(&self, seat: &Seat, own: &Own) -> bool {
        if own.tenure.is_over() {
            return true;
        }
        match seat {
            Seat::Plugin(plugin) => {
                let wanted = self.wishes.plugins.contains(plugin) && !own.asked_back;
                !wanted && !self.wishes.running.contains(plugin)
            }
            Seat::Kind(_) => self.wishes.kinds.get(seat) != Some(&own.plugin),
        }
    }

    /// Asks plugins back that belong to other members, once these have been there for a while.
    fn ask_back(&mut self, now: Duration) {
        if now < self.steady_since + self.times.settle() {
            return;
        }
        let Some(snapshot) = &self.snapshot else { return };
        for (seat, own) in &mut self.own {
            let Seat::Plugin(plugin) = seat else { continue };
            let settled = now >= own.since + self.times.settle();
            own.asked_back |= settled && !belongs_to(&self.member, snapshot, plugin);
        }
    }

    /// Takes in the answer to a request that was sent at `sent`.
    pub fn answered(&mut self, ask: &Ask, answer: Answer, sent: Duration, now: Duration) {
        match (ask, answer) {
            (Ask::Join { plugins, .. } | Ask::Renew { plugins, .. }, answer) => {
                self.renewed(plugins, answer, sent, now);
            }
            (Ask::List, Answer::Listed(snapshot)) => self.listed(snapshot, now),
            (Ask::List, _) => self.look_at = now + self.times.look(),
            (Ask::Take { seat, plugin, .. }, Answer::Done(version)) => {
                let (seat, holder, plugin) = (seat.clone(), self.member.clone(), plugin.clone());
                let taken = Taken { version, holder, plugin };
                self.own(&seat, &taken, now);
                self.snapshot.as_mut().map(|known| known.seats.insert(seat, taken));
            }
            (Ask::Vacate { seat, .. }, Answer::Done(_)) => {
                self.own.remove(seat);
                self.snapshot.as_mut().map(|known| known.seats.remove(seat));
            }
            (Ask::End { member, .. }, Answer::Done(_)) if *member == self.member => {
                (self.version, self.joined) = (None, false);
            }
            (Ask::End { member, .. }, Answer::Done(_)) => {
                self.sights.remove(member);
                self.snapshot.as_mut().map(|known| known.members.remove(member));
                self.steady_since = now;
            }
            (Ask::End { member, .. }, _) if *member == self.member => {
                self.version = None;
                self.look_at = now + self.times.look();
            }
            // Something is not as it was thought to be: nothing is decided before it was looked at again.
            _ => {
                self.snapshot = None;
                self.look_at = now + self.times.look();
            }
        }
    }

    fn renewed(
        &mut self,
        plugins: &BTreeSet<PluginName>,
        answer: Answer,
        sent: Duration,
        now: Duration,
    ) {
        match answer {
            Answer::Done(version) => {
                (self.version, self.joined) = (Some(version), true);
                let is_news = *plugins != self.wishes.plugins;
                self.renew_at = if is_news { now } else { sent + self.times.retry };
                self.membership.open_until(sent + self.times.deadline);
                self.look_at = if self.looked.is_none() { now } else { self.look_at };
            }
            // It has another version, or is gone. A list tells.
            Answer::Refused => {
                (self.version, self.joined) = (None, true);
                self.look_at = now;
            }
            Answer::Unknown | Answer::Listed(_) => self.renew_at = now + self.times.retry / 4,
        }
    }

    fn listed(&mut self, snapshot: Snapshot, now: Duration) {
        match snapshot.members.get(&self.member) {
            Some(own) if self.version.is_none() => {
                // Its time is not known, so it is renewed at once.
                (self.version, self.joined) = (Some(own.version.clone()), true);
                self.renew_at = now;
            }
            Some(_) => {}
            None if self.joined => self.lose(now),
            None => {}
        }
        self.see(&snapshot, now);
        let own = |seat: &Seat| snapshot.seats.get(seat).filter(|it| it.holder == self.member);
        self.own.retain(|seat, mine| match own(seat) {
            Some(taken) => {
                mine.version.clone_from(&taken.version);
                true
            }
            None => {
                mine.tenure.close();
                false
            }
        });
        for (seat, taken) in &snapshot.seats {
            if taken.holder == self.member {
                self.own(seat, taken, now);
            }
        }
        (self.looked, self.look_at) = (Some(now), now + self.times.look());
        self.snapshot = Some(snapshot);
    }

    /// Notes how long each other member's Lease has been as it is.
    fn see(&mut self, snapshot: &Snapshot, now: Duration) {
        // Who has not looked for a while cannot tell a member that died from one that could not renew
        // either, such as while the API server was away.
        let blind = self.looked.is_none_or(|looked| now >= looked + self.blind());
        let before: BTreeSet<Member> = self.sights.keys().cloned().collect();
        let others = snapshot.members.iter().filter(|(member, _)| **member != self.member);
        let mut sights = BTreeMap::new();
        for (member, seen) in others {
            let same = self.sights.get(member).filter(|it| it.version == seen.version && !blind);
            let since = same.map_or(now, |sight| sight.since);
            sights.insert(member.clone(), Sight { version: seen.version.clone(), since });
        }
        self.sights = sights;
        if !self.sights.keys().eq(&before) {
            self.steady_since = now;
        }
    }

    /// How long a list is good enough to judge others by.
    fn blind(&self) -> Duration {
        2 * self.times.retry
    }

    fn own(&mut self, seat: &Seat, taken: &Taken, now: Duration) {
        let membership = &self.membership;
        self.own.entry(seat.clone()).or_insert_with(|| Own {
            version: taken.version.clone(),
            plugin: taken.plugin.clone(),
            tenure: Tenure::of(membership),
            since: now,
            asked_back: false,
        });
    }

    /// Others ended the membership: everything is over, and begins anew under another name.
    fn lose(&mut self, now: Duration) {
        self.give_up();
        self.number += 1;
        self.member = format!("{}-{}", self.name, self.number);
        (self.version, self.joined) = (None, false);
        self.renew_at = now;
        self.steady_since = now;
    }

    fn give_up(&mut self) {
        self.membership.close();
        self.own.values().for_each(|own| own.tenure.close());
        self.own.clear();
        self.membership = Membership::default();
    }
}

/// Whether a plugin that `member` could run belongs to it.
fn belongs_to(member: &Member, snapshot: &Snapshot, plugin: &PluginName) -> bool {
    let others = snapshot.members.iter().filter(|(other, _)| *other != member);
    let able = others.filter(|(_, seen)| seen.plugins.contains(plugin)).map(|(other, _)| other);
    owner(plugin, able.chain([member])) == Some(member)
}
