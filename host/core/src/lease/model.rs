//! Several replicas, one API server, and everything that goes wrong between them: clocks that run apart,
//! requests that are lost, late, or done without an answer, replicas that are stopped for a while, die and
//! come back. At no moment may two replicas have an open tenure of one seat.

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000;
const REPLICAS: usize = 3;
/// How long things go wrong, then how long nothing does: long enough for everything to settle.
const TROUBLED: u64 = 300 * SECOND;
const CALM: u64 = 200 * SECOND;
/// What is looked at, in milliseconds.
const STEP: u64 = 100;
/// A clock runs at most so much too fast or too slow, in parts of a thousand; a margin of 5 s within an
/// expiry of 25 s bears a fifth between two.
const DRIFT: i64 = 90;

/// The API server: Leases with versions.
#[derive(Default)]
struct Server {
    count: u64,
    members: BTreeMap<Member, Seen>,
    seats: BTreeMap<Seat, Taken>,
}

impl Server {
    fn version(&mut self) -> Version {
        self.count += 1;
        self.count.to_string()
    }

    fn perform(&mut self, ask: &Ask) -> Answer {
        match ask {
            Ask::List => Answer::Listed(Snapshot {
                members: self.members.clone(),
                seats: self.seats.clone(),
            }),
            Ask::Join { member, .. } if self.members.contains_key(member) => Answer::Refused,
            Ask::Renew { member, version, .. }
                if self.members.get(member).map(|it| &it.version) != Some(version) =>
            {
                Answer::Refused
            }
            Ask::Join { member, plugins } | Ask::Renew { member, plugins, .. } => {
                let seen = Seen { version: self.version(), plugins: plugins.clone() };
                let version = seen.version.clone();
                self.members.insert(member.clone(), seen);
                Answer::Done(version)
            }
            Ask::Take { seat, member, plugin, version } => {
                if self.seats.get(seat).map(|it| &it.version) != version.as_ref() {
                    return Answer::Refused;
                }
                let version = self.version();
                let (holder, plugin) = (member.clone(), plugin.clone());
                let taken = Taken { version: version.clone(), holder, plugin };
                self.seats.insert(seat.clone(), taken);
                Answer::Done(version)
            }
            Ask::Vacate { seat, version } => {
                if self.seats.get(seat).map(|it| &it.version) != Some(version) {
                    return Answer::Refused;
                }
                self.seats.remove(seat);
                Answer::Done(version.clone())
            }
            Ask::End { member, version } => {
                if self.members.get(member).map(|it| &it.version) != Some(version) {
                    return Answer::Refused;
                }
                self.members.remove(member);
                Answer::Done(version.clone())
            }
        }
    }
}

/// A replica with its clock, its host, and the request that it waits for.
struct Machine {
    replica: Replica,
    starts: u64,
    able: BTreeSet<PluginName>,
    leaving: bool,
    /// How fast its clock runs, in parts of a thousand too fast.
    drift: i64,
    /// Until when it gets no turn.
    stopped: u64,
    /// Until when its requests arrive nowhere.
    cut: u64,
    waits: Option<Waits>,
    /// When it is looked at next.
    wakes: u64,
}

struct Waits {
    number: usize,
    ask: Ask,
    /// By its clock.
    sent: Duration,
    /// When it goes on, with the answer or without.
    until: u64,
    answer: Answer,
}

/// A request on its way.
struct Sent {
    arrives: u64,
    machine: usize,
    number: usize,
    ask: Ask,
}

impl Machine {
    fn start(index: usize, starts: u64, drift: i64) -> Self {
        Self {
            replica: Replica::new(format!("r{index}-{starts}"), Times::DEFAULT),
            starts,
            able: plugins(0b1111),
            leaving: false,
            drift,
            stopped: 0,
            cut: 0,
            waits: None,
            wakes: 0,
        }
    }

    /// What its clock says; they all began at different times, which says nothing.
    fn clock(&self, now: u64) -> Duration {
        let drift = i64::try_from(now).unwrap() * self.drift / 1000;
        Duration::from_millis(1000 * (self.starts + 1) + now.checked_add_signed(drift).unwrap())
    }

    /// Tells the replica what a host would that starts and drains plugins at once.
    fn wish(&mut self) {
        let held = self.replica.held().into_iter().filter(|(_, held)| !held.asked_back);
        let running = held.map(|(name, _)| name).filter(|name| self.able.contains(name)).collect();
        let (plugins, leave) = (self.able.clone(), self.leaving);
        self.replica.wish(Wishes { plugins, running, leave, ..Wishes::default() });
    }
}

/// What goes wrong with one replica at one moment.
#[derive(Debug, Clone)]
enum Trouble {
    /// It gets no turn for so long.
    Stop(u64),
    /// Its requests are lost for so long.
    Cut(u64),
    /// It dies, and another start takes its place.
    Die,
    /// It leaves for good.
    Leave,
    /// It is able to run other plugins.
    Able(u8),
}

fn trouble() -> impl Strategy<Value = (u64, usize, Trouble)> {
    let kind = prop_oneof![
        3 => (SECOND..60 * SECOND).prop_map(Trouble::Stop),
        3 => (SECOND..60 * SECOND).prop_map(Trouble::Cut),
        1 => Just(Trouble::Die),
        1 => Just(Trouble::Leave),
        1 => any::<u8>().prop_map(Trouble::Able),
    ];
    (0..TROUBLED, 0..REPLICAS, kind)
}

/// What the network does to one request after the other: how long it takes to arrive, how long its answer
/// takes, and whether the answer is lost.
fn network() -> impl Strategy<Value = Vec<(u64, u64, bool)>> {
    let delay = || prop_oneof![12 => 1..100u64, 2 => 1..8 * SECOND, 1 => 1..40 * SECOND];
    prop::collection::vec((delay(), delay(), prop::bool::weighted(0.03)), 50..300)
}

fn plugins(bits: u8) -> BTreeSet<PluginName> {
    let all = ["a", "b", "c", "d"].iter().enumerate();
    all.filter(|(index, _)| bits & (1 << index) != 0)
        .map(|(_, name)| name.parse().unwrap())
        .collect()
}

struct World {
    server: Server,
    machines: Vec<Machine>,
    network: Vec<(u64, u64, bool)>,
    /// How many requests were sent.
    count: usize,
    under_way: Vec<Sent>,
}

impl World {
    fn new(drifts: &[i64], network: Vec<(u64, u64, bool)>) -> Self {
        let machine = |(index, drift): (usize, &i64)| Machine::start(index, 0, *drift);
        Self {
            server: Server::default(),
            machines: drifts.iter().enumerate().map(machine).collect(),
            network,
            count: 0,
            under_way: Vec::new(),
        }
    }

    fn strike(&mut self, now: u64, index: usize, trouble: &Trouble) {
        let machine = &mut self.machines[index];
        match trouble {
            Trouble::Stop(time) => machine.stopped = now + time,
            Trouble::Cut(time) => machine.cut = now + time,
            Trouble::Leave => machine.leaving = true,
            Trouble::Able(bits) => machine.able = plugins(*bits),
            Trouble::Die if machine.leaving => {}
            Trouble::Die => {
                *machine = Machine::start(index, machine.starts + 1, machine.drift);
                machine.wakes = now + 5 * SECOND;
            }
        }
    }

    /// Everything that happens at one moment.
    fn turn(&mut self, now: u64, calm: bool) {
        let under_way = std::mem::take(&mut self.under_way);
        let (arrived, later) = under_way.into_iter().partition(|sent| sent.arrives <= now);
        self.under_way = later;
        for sent in arrived as Vec<Sent> {
            let answer = self.server.perform(&sent.ask);
            let waits = &mut self.machines[sent.machine].waits;
            if let Some(waits) = waits.as_mut().filter(|it| it.number == sent.number) {
                waits.answer = answer;
            }
        }
        for index in 0..self.machines.len() {
            self.let_run(index, now, calm);
        }
    }

    fn let_run(&mut self, index: usize, now: u64, calm: bool) {
        let machine = &mut self.machines[index];
        let clock = machine.clock(now);
        if now < machine.stopped {
            return;
        }
        match machine.waits.take() {
            Some(waits) if now < waits.until => return machine.waits = Some(waits),
            Some(waits) => machine.replica.answered(&waits.ask, waits.answer, waits.sent, clock),
            None if now < machine.wakes => return,
            None => {}
        }
        machine.wish();
        match machine.replica.next(clock) {
            Step::Ask(ask) => self.send(index, now, ask, calm),
            // Others may wish something at any time.
            Step::Wait(_) => machine.wakes = now + STEP,
            Step::Left => machine.wakes = u64::MAX,
        }
    }

    fn send(&mut self, index: usize, now: u64, ask: Ask, calm: bool) {
        self.count += 1;
        let (there, back, lost) =
            if calm { (10, 10, false) } else { self.network[self.count % self.network.len()] };
        let machine = &mut self.machines[index];
        let patience = 5 * SECOND;
        let heard = there + back < patience && !lost;
        let until = now + (there + back).min(patience);
        let (sent, answer) = (machine.clock(now), Answer::Unknown);
        let number = if heard { self.count } else { usize::MAX };
        machine.waits = Some(Waits { number, ask: ask.clone(), sent, until, answer });
        if now >= machine.cut {
            let (arrives, number) = (now + there, self.count);
            self.under_way.push(Sent { arrives, machine: index, number, ask });
        }
    }

    /// Who may write for a plugin at this moment.
    fn open(&self, plugin: &PluginName, now: u64) -> Vec<&str> {
        let open = self.machines.iter().filter(|machine| {
            let held = machine.replica.held();
            held.get(plugin).is_some_and(|it| it.tenure.is_open(machine.clock(now)))
        });
        open.map(|machine| machine.replica.member()).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_two_replicas_ever_write_for_one_plugin_and_in_the_end_one_does(
        drifts in prop::collection::vec(-DRIFT..DRIFT, REPLICAS),
        network in network(),
        troubles in prop::collection::vec(trouble(), 0..12),
    ) {
        let mut world = World::new(&drifts, network);
        let mut now = 0;
        while now < TROUBLED + CALM {
            for (at, index, trouble) in &troubles {
                if (now..now + STEP).contains(at) {
                    world.strike(now, *index, trouble);
                }
            }
            world.turn(now, now > TROUBLED);
            for plugin in plugins(0b1111) {
                let open = world.open(&plugin, now);
                prop_assert!(open.len() <= 1, "{plugin} at {now} ms: {open:?}");
            }
            now += STEP;
        }
        for plugin in plugins(0b1111) {
            let able = |it: &&Machine| !it.leaving && it.able.contains(&plugin);
            let able: Vec<String> =
                world.machines.iter().filter(able).map(|it| it.replica.member().to_owned()).collect();
            let owner = super::place::owner(&plugin, &able);
            let owner: Vec<&str> = owner.iter().map(|it| it.as_str()).collect();
            prop_assert_eq!(world.open(&plugin, now), owner, "{}", plugin);
        }
        let alive = world.machines.iter().filter(|it| !it.leaving).count();
        prop_assert_eq!(world.server.members.len(), alive, "dead members are gone");
    }
}
