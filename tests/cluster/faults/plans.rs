//! Which plans are run: those that failed once, one kill before and after each kind of write, and generated
//! ones (`JOCH_FAULT_CASES` many, from `JOCH_FAULT_SEED`).

use std::time::Duration;

use anyhow::{Result, anyhow};
use joch_tests::plan::{Call, Effect, Fault, Plan};
use joch_tests::proxy::{Action, Disturbance};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The kinds of writes that the workload has the host make, Events and deletions among them.
const WRITES: [(&str, &str, Option<&str>); 8] = [
    ("create", "jobs", None),
    ("create", "tasks", None),
    ("delete", "tasks", None),
    ("create", "events", None),
    ("patch", "crontasks", Some("status")),
    ("patch", "configmaps", None),
    ("patch", "tasks", Some("status")),
    ("patch", "greetings", Some("status")),
];
const WATCHED: [&str; 6] = ["tasks", "crontasks", "jobs", "configmaps", "greetings", "agents"];
/// How often the host is killed at least, over all plans of the smallest run: at every kind of write.
pub(super) const KILLS: usize = WRITES.len() * 2;
/// How many plans are generated if nobody asks for more.
const CASES: usize = 10;

/// All plans, in their order.
pub(super) fn all() -> Result<Vec<Plan>> {
    let mut plans: Vec<Plan> = serde_json::from_str(include_str!("regressions.json"))?;
    plans.extend(WRITES.map(|(verb, resource, sub)| {
        let at = |nth, effect| Fault { call: Call::new(verb, resource, sub, nth), effect };
        Plan(vec![at(1, Effect::KillBefore), at(2, Effect::KillAfter)])
    }));
    let number = |name: &str, otherwise| match std::env::var(name) {
        Ok(text) => text.parse::<usize>().map_err(|error| anyhow!("{name}: {error}")),
        Err(_) => Ok(otherwise),
    };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&(number("JOCH_FAULT_SEED", 1)? as u64).to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    for _ in 0..number("JOCH_FAULT_CASES", CASES)? {
        let tree = plan().new_tree(&mut runner).map_err(|error| anyhow!("no plan: {error}"))?;
        plans.push(tree.current());
    }
    Ok(plans)
}

fn plan() -> impl Strategy<Value = Plan> {
    let kill = (write(), prop_oneof![Just(Effect::KillBefore), Just(Effect::KillAfter)]);
    let kill = kill.prop_map(|(call, effect)| Fault { call, effect });
    let faults = prop::collection::vec(prop_oneof![written(), read(), watched(), outage()], 1..6);
    let kills = prop::collection::vec(kill, 2);
    (faults, kills).prop_map(|(faults, kills)| Plan(faults.into_iter().chain(kills).collect()))
}

fn write() -> impl Strategy<Value = Call> {
    (select(&WRITES[..]), 1..4_u32)
        .prop_map(|((verb, resource, sub), nth)| Call::new(verb, resource, sub, nth))
}

/// What any call may meet.
fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        select(vec![409, 429, 500, 503]).prop_map(Action::Status),
        Just(Action::Busy(1)),
        (1..400_u64).prop_map(|ms| Action::Delay(Duration::from_millis(ms))),
        Just(Action::HalfBody),
        Just(Action::Cut),
        Just(Action::LoseAnswer),
    ]
}

fn written() -> impl Strategy<Value = Fault> {
    (write(), action()).prop_map(|(call, action)| Fault { call, effect: Effect::Call(action) })
}

fn read() -> impl Strategy<Value = Fault> {
    let call = (select(&["get", "list"][..]), select(&WATCHED[..]), 1..3_u32)
        .prop_map(|(verb, resource, nth)| Call::new(verb, resource, None, nth));
    let action = prop_oneof![action(), Just(Action::Status(410))];
    (call, action).prop_map(|(call, action)| Fault { call, effect: Effect::Call(action) })
}

fn watched() -> impl Strategy<Value = Fault> {
    let time = || (1..2000_u64).prop_map(Duration::from_millis);
    let disturbance = prop_oneof![
        time().prop_map(Disturbance::CutAfter),
        time().prop_map(Disturbance::Hold),
        Just(Disturbance::NoBookmarks),
        Just(Disturbance::Expired),
    ];
    let action = prop_oneof![
        disturbance.prop_map(Action::Watch),
        select(vec![410, 500]).prop_map(Action::Status)
    ];
    (select(&WATCHED[..]), 1..3_u32, action).prop_map(|(resource, nth, action)| Fault {
        call: Call::new("watch", resource, None, nth),
        effect: Effect::Call(action),
    })
}

fn outage() -> impl Strategy<Value = Fault> {
    let time = (100..1500_u64).prop_map(Duration::from_millis);
    (write(), time, any::<bool>()).prop_map(|(call, time, cut)| {
        let effect = if cut { Effect::Unreachable(time) } else { Effect::Unavailable(time) };
        Fault { call, effect }
    })
}
