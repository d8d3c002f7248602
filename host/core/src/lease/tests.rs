//! The rules one by one.

use super::*;

fn name(text: &str) -> PluginName {
    text.parse().unwrap()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn wishes(plugins: &[&str]) -> Wishes {
    Wishes { plugins: plugins.iter().map(|it| name(it)).collect(), ..Wishes::default() }
}

/// A list: members with what they could run, seats with whose they are; all of this version.
fn list(version: &str, members: &[(&str, &[&str])], seats: &[(&str, &str)]) -> Answer {
    let version = version.to_owned();
    let member = |(member, plugins): &(&str, &[&str])| {
        let plugins = plugins.iter().map(|it| name(it)).collect();
        ((*member).to_owned(), Seen { version: version.clone(), plugins })
    };
    let seat = |(plugin, holder): &(&str, &str)| {
        let plugin = name(plugin);
        let seat = Seat::Plugin(plugin.clone());
        (seat, Taken { version: version.clone(), holder: (*holder).to_owned(), plugin })
    };
    Answer::Listed(Snapshot {
        members: members.iter().map(member).collect(),
        seats: seats.iter().map(seat).collect(),
    })
}

/// Brings the answer to what the replica asks at `now`; what it asked.
fn answer(replica: &mut Replica, now: Duration, answer: Answer) -> Ask {
    let Step::Ask(ask) = replica.next(now) else { panic!("it asks nothing") };
    replica.answered(&ask, answer, now, now);
    ask
}

fn done(version: &str) -> Answer {
    Answer::Done(version.to_owned())
}

/// A replica that is a member, alone, and has the seat of `p`.
fn alone() -> Replica {
    let mut replica = Replica::new("a".to_owned(), Times::DEFAULT);
    replica.wish(wishes(&["p"]));
    assert!(matches!(answer(&mut replica, seconds(0), done("1")), Ask::Join { .. }));
    assert_eq!(answer(&mut replica, seconds(0), list("1", &[("a-1", &["p"])], &[])), Ask::List);
    let taken = answer(&mut replica, seconds(0), done("2"));
    assert!(matches!(taken, Ask::Take { version: None, .. }), "{taken:?}");
    replica
}

fn tenure(replica: &Replica) -> Tenure {
    replica.held()[&name("p")].tenure.clone()
}

#[test]
fn times_have_to_keep_two_replicas_apart() {
    let times = |duration, deadline, retry| {
        let [duration, deadline, retry] = [duration, deadline, retry].map(seconds);
        Times { duration, deadline, retry }.checked()
    };
    assert_eq!(Times::DEFAULT.checked(), Ok(Times::DEFAULT));
    assert_eq!((Times::DEFAULT.expiry(), Times::DEFAULT.margin()), (seconds(25), seconds(5)));
    assert!(times(6, 4, 1).is_ok());
    for (duration, deadline, retry) in [(30, 21, 5), (30, 20, 0), (30, 5, 5), (0, 0, 0)] {
        let error = times(duration, deadline, retry).unwrap_err().to_string();
        assert!(error.contains("two retry periods"), "{error}");
    }
}

#[test]
fn a_tenure_is_open_until_the_deadline_after_the_last_renewal_was_sent() {
    let mut replica = alone();
    let tenure = tenure(&replica);
    assert!(tenure.is_open(seconds(19)) && !tenure.is_open(seconds(20)));
    let Step::Ask(ask) = replica.next(seconds(5)) else { panic!() };
    assert!(matches!(ask, Ask::Renew { .. }));
    replica.answered(&ask, done("3"), seconds(5), seconds(9));
    assert!(tenure.is_open(seconds(24)) && !tenure.is_open(seconds(25)));
}

#[test]
fn a_seat_of_a_member_that_is_there_is_left_alone_and_a_dead_members_is_taken_in_its_version() {
    let mut replica = Replica::new("a".to_owned(), Times::DEFAULT);
    replica.wish(wishes(&["p"]));
    answer(&mut replica, seconds(0), done("1"));
    let with = list("7", &[("a-1", &["p"]), ("z-1", &[])], &[("p", "z-1")]);
    answer(&mut replica, seconds(0), with);
    assert!(matches!(replica.next(seconds(0)), Step::Wait(_)));
    let without = list("7", &[("a-1", &["p"])], &[("p", "z-1")]);
    answer(&mut replica, seconds(3), without);
    let Ask::Take { version, .. } = answer(&mut replica, seconds(3), done("8")) else { panic!() };
    assert_eq!(version.as_deref(), Some("7"));
}

#[test]
fn a_member_is_ended_when_it_was_seen_unchanged_for_the_expiry_and_not_by_who_did_not_look() {
    let mut replica = alone();
    let others = |version| list(version, &[("a-1", &["p"]), ("z-1", &[])], &[("p", "a-1")]);
    let mut ended = None;
    let mut first = None;
    for half in 2..70u32 {
        let now = Duration::from_millis(500) * half;
        while let Step::Ask(ask) = replica.next(now) {
            let answer = match &ask {
                Ask::List => {
                    first = first.or(Some(now));
                    others("5")
                }
                Ask::End { member, version } => {
                    assert_eq!((member.as_str(), version.as_str()), ("z-1", "5"));
                    ended = ended.or(Some(now));
                    Answer::Done(String::new())
                }
                _ => done("9"),
            };
            replica.answered(&ask, answer, now, now);
            if ended.is_some() {
                break;
            }
        }
        if ended.is_some() {
            break;
        }
    }
    assert_eq!(ended.unwrap() - first.unwrap(), Times::DEFAULT.expiry());

    // The API server was away for an hour: the first list after it says nothing about who died.
    let mut replica = alone();
    answer(&mut replica, seconds(3), others("5"));
    let late = seconds(3600);
    assert!(matches!(answer(&mut replica, late, done("9")), Ask::Renew { .. }));
    assert_eq!(answer(&mut replica, late, others("5")), Ask::List);
    assert!(matches!(replica.next(late + seconds(1)), Step::Wait(_)));
}

#[test]
fn who_was_ended_by_others_loses_everything_and_begins_anew_under_another_name() {
    let mut replica = alone();
    let tenure = tenure(&replica);
    assert!(matches!(answer(&mut replica, seconds(6), Answer::Refused), Ask::Renew { .. }));
    let ended = list("9", &[("z-1", &["p"])], &[("p", "z-1")]);
    assert_eq!(answer(&mut replica, seconds(6), ended), Ask::List);
    assert!(tenure.is_over() && !tenure.is_open(seconds(6)) && replica.held().is_empty());
    let Ask::Join { member, .. } = answer(&mut replica, seconds(6), done("10")) else { panic!() };
    assert_eq!(member, "a-2");
    assert!(!tenure.is_open(seconds(7)), "a tenure that is over stays so");
}

#[test]
fn a_plugin_is_handed_over_after_a_while_and_its_seat_is_kept_until_it_is_drained() {
    let (me, other) = ("a-1", "z-1");
    let mine = |plugin: &PluginName| {
        place::owner(plugin, &[me.to_owned(), other.to_owned()]).is_some_and(|it| it == me)
    };
    let others = (0..).map(|index| name(&format!("p{index}"))).find(|it| !mine(it)).unwrap();
    let plugin = others.as_str();
    let mut replica = Replica::new("a".to_owned(), Times::DEFAULT);
    let running = Wishes { running: [others.clone()].into(), ..wishes(&[plugin]) };
    replica.wish(running.clone());
    answer(&mut replica, seconds(0), done("1"));
    answer(&mut replica, seconds(0), list("1", &[(me, &[plugin])], &[]));
    assert!(matches!(answer(&mut replica, seconds(0), done("2")), Ask::Take { .. }));
    let both = |version: u64| {
        list(&version.to_string(), &[(me, &[plugin]), (other, &[plugin])], &[(plugin, me)])
    };
    let settled = Times::DEFAULT.settle().as_secs();
    let mut vacated = None;
    for second in 1..2 * settled {
        if second > settled + 20 {
            replica.wish(wishes(&[plugin]));
        }
        while let Step::Ask(ask) = replica.next(seconds(second)) {
            let answer = match &ask {
                Ask::List => both(second),
                Ask::Vacate { .. } => {
                    vacated = vacated.or(Some(second));
                    done("")
                }
                _ => done(&second.to_string()),
            };
            replica.answered(&ask, answer, seconds(second), seconds(second));
            if vacated.is_some() {
                break;
            }
        }
        if vacated.is_some() {
            break;
        }
        let asked_back = replica.held()[&others].asked_back;
        assert_eq!(asked_back, second >= settled + 3, "at {second} s");
    }
    assert_eq!(vacated, Some(settled + 21));
    assert!(replica.held().is_empty());
}

#[test]
fn the_seat_of_a_kind_is_one_plugins_and_is_given_back() {
    let mut replica = alone();
    let seat = Seat::of_kind(&"kubetask.io/v1/Task".parse().unwrap());
    assert_eq!(seat.to_string(), "kind-task.kubetask.io");
    let kinds: BTreeMap<Seat, PluginName> = [(seat.clone(), name("p"))].into();
    replica.wish(Wishes { kinds: kinds.clone(), ..wishes(&["p"]) });
    assert!(matches!(answer(&mut replica, seconds(1), done("3")), Ask::Take { .. }));
    assert!(replica.has(&seat));
    replica.wish(Wishes { kinds: [(seat.clone(), name("q"))].into(), ..wishes(&["p"]) });
    let vacated = answer(&mut replica, seconds(1), done(""));
    assert_eq!(vacated, Ask::Vacate { seat: seat.clone(), version: "3".to_owned() });
    assert!(!replica.has(&seat));
}

#[test]
fn who_leaves_closes_everything_before_its_lease_is_deleted() {
    let mut replica = alone();
    let tenure = tenure(&replica);
    replica.wish(Wishes { leave: true, ..wishes(&["p"]) });
    let Step::Ask(ask) = replica.next(seconds(2)) else { panic!() };
    assert_eq!(ask, Ask::End { member: "a-1".to_owned(), version: "1".to_owned() });
    assert!(tenure.is_over());
    replica.answered(&ask, done(""), seconds(2), seconds(2));
    assert_eq!(replica.next(seconds(2)), Step::Left);
}
