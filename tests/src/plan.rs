//! A plan of faults as data: which call of which kind meets what, and where the host is killed.
//!
//! A plan is finite: each fault comes once, and an outage ends. It is printed, kept and read as JSON.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::proxy::{Action, ApiRequest};

/// What is to go wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan(pub Vec<Fault>);

impl Plan {
    /// The smallest part of a plan that still fails, and why it does: faults are left out one at a time for
    /// as long as that changes nothing. `fails` runs a plan and says why it failed, if it did. A plan that
    /// fails by chance only may come out larger than it has to be.
    pub async fn shrunk<E>(
        self,
        why: E,
        mut fails: impl AsyncFnMut(&Self) -> Option<E>,
    ) -> (Self, E) {
        let (mut plan, mut why) = (self, why);
        let mut place = 0;
        while place < plan.0.len() {
            let mut fewer = plan.clone();
            fewer.0.remove(place);
            match fails(&fewer).await {
                Some(still) => (plan, why) = (fewer, still),
                None => place += 1,
            }
        }
        (plan, why)
    }
}

/// One thing that goes wrong, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When.
    pub call: Call,
    /// What.
    pub effect: Effect,
}

/// The nth call of its sort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The verb as in RBAC.
    pub verb: String,
    /// The resource in the plural.
    pub resource: String,
    /// The subresource, if the call is on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
    /// Counted from 1.
    pub nth: u32,
}

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// The call itself is disturbed.
    Call(Action),
    /// For so long from this call on, every request is answered 503.
    Unavailable(Duration),
    /// For so long from this call on, every connection is cut.
    Unreachable(Duration),
    /// The host is killed when the request has arrived; it is not sent on.
    KillBefore,
    /// The host is killed when the request was answered, before the host knows.
    KillAfter,
}

impl Call {
    /// A call of a sort.
    #[must_use]
    pub fn new(verb: &str, resource: &str, subresource: Option<&str>, nth: u32) -> Self {
        let subresource = subresource.map(str::to_owned);
        Self { verb: verb.to_owned(), resource: resource.to_owned(), subresource, nth }
    }

    fn is_of_sort(&self, request: &ApiRequest) -> bool {
        self.verb == request.verb
            && self.resource == request.resource
            && self.subresource == request.subresource
    }
}

/// A plan that is being carried out.
pub struct Execution {
    state: Mutex<State>,
    kills: watch::Sender<usize>,
}

#[derive(Debug)]
struct State {
    /// Each fault, and how many calls of its sort are still to come before it.
    left: Vec<(Fault, u32)>,
    outage: Option<(Action, Instant)>,
}

impl Execution {
    /// Begins to carry out a plan.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let left = plan.0.into_iter().map(|fault| (fault.clone(), fault.call.nth)).collect();
        let state = State { left, outage: None };
        Self { state: Mutex::new(state), kills: watch::Sender::new(0) }
    }

    /// What is done with the next request.
    pub fn act(&self, request: &ApiRequest, now: Instant) -> Action {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = None;
        state.left.retain_mut(|(fault, left)| {
            if !fault.call.is_of_sort(request) {
                return true;
            }
            *left = left.saturating_sub(1);
            // Of two faults for one call, the second meets the next call.
            if *left > 0 || due.is_some() {
                return true;
            }
            due = Some(fault.effect);
            false
        });
        match due {
            Some(Effect::Unavailable(time)) => {
                state.outage = Some((Action::Status(503), now + time));
            }
            Some(Effect::Unreachable(time)) => state.outage = Some((Action::Cut, now + time)),
            Some(Effect::Call(action)) => return action,
            Some(Effect::KillBefore) => {
                self.kills.send_modify(|kills| *kills += 1);
                return Action::Swallow;
            }
            Some(Effect::KillAfter) => {
                self.kills.send_modify(|kills| *kills += 1);
                return Action::SwallowAnswer;
            }
            None => {}
        }
        match state.outage {
            Some((action, until)) if now < until => action,
            _ => Action::Pass,
        }
    }

    /// How often the host was to be killed so far.
    #[must_use]
    pub fn kills(&self) -> watch::Receiver<usize> {
        self.kills.subscribe()
    }

    /// The faults that have not come.
    #[must_use]
    pub fn left(&self) -> Plan {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Plan(state.left.iter().map(|(fault, _)| fault.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str) -> ApiRequest {
        ApiRequest::parse(&method.parse().unwrap(), &path.parse().unwrap())
    }

    fn fault(nth: u32, effect: Effect) -> Fault {
        Fault { call: Call::new("create", "jobs", None, nth), effect }
    }

    #[test]
    fn the_nth_call_of_its_sort_meets_the_fault_once() {
        let plan = Plan(vec![
            fault(2, Effect::Call(Action::Status(500))),
            fault(2, Effect::Call(Action::Cut)),
        ]);
        let (execution, now) = (Execution::new(plan), Instant::now());
        let post = request("POST", "/apis/batch/v1/namespaces/a/jobs");
        let list = request("GET", "/apis/batch/v1/namespaces/a/jobs");
        let acts: Vec<_> =
            [&post, &list, &post, &post, &post].map(|request| execution.act(request, now)).into();
        let cut = Action::Cut;
        assert_eq!(acts, [Action::Pass, Action::Pass, Action::Status(500), cut, Action::Pass]);
        assert_eq!(execution.left(), Plan::default());
    }

    #[test]
    fn an_outage_meets_everything_and_ends() {
        let plan = Plan(vec![fault(1, Effect::Unreachable(Duration::from_secs(1)))]);
        let (execution, now) = (Execution::new(plan), Instant::now());
        let other = request("GET", "/api/v1/pods");
        assert_eq!(execution.act(&other, now), Action::Pass);
        let post = request("POST", "/apis/batch/v1/namespaces/a/jobs");
        assert_eq!(execution.act(&post, now), Action::Cut);
        assert_eq!(execution.act(&other, now), Action::Cut);
        assert_eq!(execution.act(&other, now + Duration::from_secs(1)), Action::Pass);
    }

    #[test]
    fn a_kill_is_told_and_its_call_gets_no_answer() {
        let plan = Plan(vec![fault(1, Effect::KillBefore), fault(2, Effect::KillAfter)]);
        let (execution, now) = (Execution::new(plan), Instant::now());
        let post = request("POST", "/apis/batch/v1/namespaces/a/jobs");
        assert_eq!(execution.act(&post, now), Action::Swallow);
        assert_eq!(execution.act(&post, now), Action::SwallowAnswer);
        assert_eq!(*execution.kills().borrow(), 2);
    }

    #[tokio::test]
    async fn a_plan_is_shrunk_to_the_faults_that_it_takes() {
        let plan = Plan((1..=6).map(|nth| fault(nth, Effect::KillBefore)).collect());
        let mut tried = 0;
        // It takes the second and the fifth together, and says how many there were.
        let fails = async |plan: &Plan| {
            tried += 1;
            let has = |nth| plan.0.iter().any(|fault| fault.call.nth == nth);
            (has(2) && has(5)).then_some(plan.0.len())
        };
        let (smallest, why) = plan.shrunk(6, fails).await;
        let left: Vec<u32> = smallest.0.iter().map(|fault| fault.call.nth).collect();
        assert_eq!((left, why, tried), (vec![2, 5], 2, 6));
        let nothing = Plan(Vec::new()).shrunk("it fails by itself", async |_| None).await;
        assert_eq!(nothing, (Plan::default(), "it fails by itself"));
    }

    #[test]
    fn a_plan_is_kept_as_text() {
        let plan = Plan(vec![fault(3, Effect::Call(Action::Delay(Duration::from_millis(5))))]);
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
