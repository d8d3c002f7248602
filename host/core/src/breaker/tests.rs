//! Poisoned objects, broken guests, and the difference.

use super::*;
use Conduct::{Answered, Broke};

struct Scene {
    breaker: Breaker,
    version: Digest,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        let version = Digest::of(b"one");
        Self { breaker: Breaker::default(), version, now: Instant::now() }
    }

    fn call(&mut self, object: usize, conduct: Conduct) -> Recorded {
        self.breaker.record(&key(object), self.version, conduct, self.now, 0.5)
    }

    fn news(&mut self, object: usize, conduct: Conduct) -> Vec<News> {
        self.call(object, conduct).news
    }

    fn gate(&mut self) -> Gate {
        self.breaker.gate(self.now)
    }

    /// Breaks on three objects.
    fn trip(&mut self, from: usize) -> Vec<News> {
        (from..from + ENOUGH).flat_map(|object| self.news(object, Broke)).collect()
    }
}

fn key(number: usize) -> ObjectKey {
    ObjectKey { kind: "v1/ConfigMap".parse().unwrap(), namespace: None, name: number.to_string() }
}

#[test]
fn a_poisoned_object_is_parked_alone_and_freed_by_an_answer() {
    let mut scene = Scene::new();
    (10..20).for_each(|object| assert_eq!(scene.news(object, Answered), []));
    assert_eq!((scene.news(1, Broke), scene.news(1, Broke)), (vec![], vec![]));
    assert_eq!(scene.news(1, Broke), [News::Parked]);
    assert_eq!(scene.news(1, Broke), [], "said once");
    assert_eq!(scene.breaker.parked().collect::<Vec<_>>(), [&key(1)]);
    assert_eq!(scene.gate(), Gate::Open);
    assert_eq!(scene.news(1, Answered), [News::Freed]);
    assert_eq!(scene.breaker.parked().count(), 0);
}

#[test]
fn a_handful_of_poisoned_objects_retried_for_ever_never_stops_the_plugin() {
    let mut scene = Scene::new();
    (10..20).for_each(|object| drop(scene.call(object, Answered)));
    for _ in 0..50 {
        (0..4).for_each(|object| drop(scene.call(object, Broke)));
        assert_eq!(scene.gate(), Gate::Open);
    }
    assert_eq!(scene.breaker.parked().count(), 4);
}

#[test]
fn a_guest_that_breaks_on_several_objects_rests() {
    let mut scene = Scene::new();
    assert_eq!((scene.news(1, Broke), scene.news(2, Broke)), (vec![], vec![]));
    assert_eq!(scene.gate(), Gate::Open, "two could be chance");
    assert_eq!(scene.news(3, Broke), [News::Tripped(1)]);
    assert_eq!(scene.gate(), Gate::Shut(scene.now + FIRST_REST));
    assert!(scene.breaker.has_tripped());
    assert_eq!(scene.news(4, Broke), [], "a call that had begun before");
}

#[test]
fn a_guest_that_had_worked_rests_as_soon_as_half_of_its_latest_calls_break() {
    let mut scene = Scene::new();
    (100..200).for_each(|object| drop(scene.call(object, Answered)));
    let tripped = (0..20).position(|object| !scene.news(object, Broke).is_empty());
    assert_eq!(tripped, Some(LATEST / 2 - 1));
}

#[test]
fn a_rest_ends_with_trials_one_by_one_and_one_answer_is_enough() {
    let mut scene = Scene::new();
    scene.trip(0);
    scene.now += FIRST_REST - Duration::from_millis(1);
    assert!(matches!(scene.gate(), Gate::Shut(_)));
    scene.now += Duration::from_millis(1);
    assert_eq!(scene.gate(), Gate::OneByOne);
    assert_eq!(scene.news(0, Broke), [], "one object may be poisoned for itself");
    assert_eq!(scene.news(7, Answered), [News::Recovered]);
    assert_eq!(scene.gate(), Gate::Open);
}

#[test]
fn a_guest_that_breaks_on_three_more_objects_rests_again() {
    let mut scene = Scene::new();
    scene.trip(0);
    scene.now += FIRST_REST;
    scene.gate();
    assert_eq!(scene.trip(0), [], "known ones say nothing new");
    assert_eq!(scene.trip(10), [News::Tripped(2)]);
}

#[test]
fn objects_that_broke_the_version_before_do_not_stop_the_new_one() {
    let mut scene = Scene::new();
    scene.trip(0);
    scene.breaker.renew();
    scene.version = Digest::of(b"two");
    assert_eq!(scene.trip(0), []);
    assert_eq!(scene.trip(10), [News::Tripped(1)]);
}

#[test]
fn rests_double_up_to_the_longest_while_nothing_is_answered() {
    let mut scene = Scene::new();
    scene.trip(0);
    let mut rests = vec![];
    for number in 2..12 {
        let Gate::Shut(until) = scene.gate() else { panic!("no rest") };
        rests.push(until - scene.now);
        scene.now = until;
        assert_eq!(scene.gate(), Gate::OneByOne);
        let known: Vec<News> = (0..PROBES_IN_ALL).flat_map(|_| scene.news(0, Broke)).collect();
        assert_eq!(known.last(), Some(&News::Tripped(number)));
    }
    assert_eq!(rests[..3], [FIRST_REST, FIRST_REST * 2, FIRST_REST * 4]);
    assert_eq!(rests.last(), Some(&LONGEST_REST));
}

#[test]
fn a_second_trip_soon_after_the_first_rests_longer_a_late_one_does_not() {
    for (pause, number) in [(FORGIVEN / 2, 2), (FORGIVEN, 1)] {
        let mut scene = Scene::new();
        scene.trip(0);
        scene.now += FIRST_REST;
        scene.gate();
        assert_eq!(scene.news(9, Answered), [News::Recovered]);
        scene.now += pause;
        assert_eq!(scene.trip(20), [News::Tripped(number)], "{pause:?}");
    }
}

#[test]
fn rests_are_spread() {
    let rest = |random| {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for object in 0..ENOUGH {
            breaker.record(&key(object), Digest::of(b""), Broke, now, random);
        }
        breaker.gate(now)
    };
    assert_ne!(rest(0.0), rest(1.0));
}

#[test]
fn a_new_version_starts_with_a_clean_record_but_knows_what_broke_the_old_one() {
    let mut scene = Scene::new();
    scene.trip(0);
    (0..2).for_each(|_| drop(scene.call(0, Broke)));
    assert_eq!(scene.breaker.parked().count(), 1);
    assert!(scene.breaker.renew());
    assert!(!scene.breaker.renew(), "it does not rest any more");
    scene.version = Digest::of(b"two");
    assert_eq!(scene.gate(), Gate::Open);
    let recorded = scene.call(0, Broke);
    assert_eq!(recorded, Recorded { broke_before: true, news: vec![] });
    assert_eq!(scene.breaker.parked().count(), 0, "once is not thrice");
    assert!(scene.call(0, Broke).broke_before, "and stays known");
    assert!(!scene.call(9, Broke).broke_before);
    assert!(!scene.call(9, Broke).broke_before, "the same version is not the one before");
}

#[test]
fn an_object_that_is_gone_is_forgotten() {
    let mut scene = Scene::new();
    (0..PARKED).for_each(|_| drop(scene.call(1, Broke)));
    scene.breaker.forget(&key(1));
    assert_eq!(scene.breaker.parked().count(), 0);
}
