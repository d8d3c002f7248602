//! The queue's guarantees, with time passed in.

use std::time::Duration;

use super::*;

fn ms(start: Instant, ms: u64) -> Instant {
    start + Duration::from_millis(ms)
}

#[test]
fn a_key_is_never_handed_out_twice_at_once() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.wake("a", Lane::Fresh, now);
    assert_eq!(queue.take(now), Some("a"));
    queue.wake("a", Lane::Fresh, now);
    queue.wake("a", Lane::Backlog, now);
    assert_eq!(queue.take(now), None);
    queue.finish("a", Next::OnChange, now);
    assert_eq!(queue.take(now), Some("a"), "the wakes while it was out lead to one more turn");
    queue.finish("a", Next::OnChange, now);
    assert_eq!(queue.take(now), None);
}

#[test]
fn wakes_of_a_waiting_key_collapse() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for lane in [Lane::Backlog, Lane::Fresh, Lane::Fresh, Lane::Backlog] {
        queue.wake("a", lane, now);
    }
    assert_eq!(queue.depth(), 1);
    // It has one place in each lane at most, however often it is woken (G10).
    assert_eq!((queue.backlog.len(), queue.fresh.len()), (1, 1));
    assert_eq!(queue.take(now), Some("a"));
    queue.finish("a", Next::OnChange, now);
    assert_eq!(queue.take(now), None);
}

#[test]
fn a_key_that_wants_another_turn_at_once_gets_it_behind_those_that_wait() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for key in ["a", "b", "c"] {
        queue.wake(key, Lane::Fresh, now);
    }
    let turns = (0..6).filter_map(|_| {
        let key = queue.take(now)?;
        queue.finish(key, Next::At(now), now);
        Some(key)
    });
    assert_eq!(turns.collect::<Vec<_>>(), ["a", "b", "c", "a", "b", "c"]);
}

#[test]
fn a_requeue_time_is_honoured_and_a_wake_brings_it_forward() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.wake("a", Lane::Fresh, now);
    queue.take(now);
    queue.finish("a", Next::At(ms(now, 100)), now);
    assert_eq!((queue.take(ms(now, 99)), queue.next_due()), (None, Some(ms(now, 100))));
    assert_eq!(queue.take(ms(now, 100)), Some("a"));
    queue.finish("a", Next::At(ms(now, 1000)), now);
    queue.wake("a", Lane::Fresh, ms(now, 200));
    assert_eq!((queue.take(ms(now, 200)), queue.next_due()), (Some("a"), None));
}

#[test]
fn a_failed_key_is_held_even_if_something_changes() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let retry = Next::Retry { at: Some(ms(now, 800)), hold: ms(now, 100) };
    queue.wake("a", Lane::Fresh, now);
    queue.take(now);
    queue.wake("a", Lane::Fresh, now);
    queue.finish("a", retry, now);
    assert_eq!(queue.take(ms(now, 99)), None);
    assert_eq!(queue.take(ms(now, 100)), Some("a"), "woken while out: due when the hold is over");
    queue.finish("a", retry, now);
    queue.wake("a", Lane::Fresh, ms(now, 50));
    assert_eq!((queue.take(ms(now, 99)), queue.take(ms(now, 100))), (None, Some("a")));
    queue.finish("a", retry, now);
    assert_eq!((queue.take(ms(now, 799)), queue.take(ms(now, 800))), (None, Some("a")));
}

#[test]
fn a_permanently_failed_key_waits_for_a_wake() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.wake("a", Lane::Fresh, now);
    queue.take(now);
    queue.finish("a", Next::Retry { at: None, hold: ms(now, 100) }, now);
    assert_eq!((queue.take(ms(now, 9000)), queue.next_due()), (None, None));
    queue.wake("a", Lane::Fresh, ms(now, 9000));
    assert_eq!(queue.take(ms(now, 9000)), Some("a"));
}

#[test]
fn neither_lane_starves_the_other() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for key in 0..40 {
        queue.wake(key, Lane::Backlog, now);
        queue.wake(100 + key, Lane::Fresh, now);
    }
    let taken: Vec<u32> = (0..40).filter_map(|_| queue.take(now)).collect();
    let backlog = taken.iter().filter(|key| **key < 100).count();
    assert_eq!(backlog, 10);
}

#[test]
fn a_key_that_is_freed_is_not_held() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let retry = Next::Retry { at: Some(ms(now, 800)), hold: ms(now, 800) };
    let parked = Next::Retry { at: None, hold: ms(now, 800) };
    for next in [retry, parked] {
        queue.wake("a", Lane::Fresh, now);
        assert_eq!(queue.take(now), Some("a"));
        queue.finish("a", next, now);
        assert_eq!(queue.take(now), None);
        queue.free("a", Lane::Backlog, now);
        assert_eq!((queue.take(now), queue.next_due()), (Some("a"), None));
        // Freed while it is out: what fails then has failed under the old conditions.
        queue.free("a", Lane::Backlog, now);
        queue.finish("a", next, now);
        assert_eq!((queue.take(now), queue.next_due()), (None, Some(now + backoff::FIRST)));
        assert_eq!(queue.take(now + backoff::FIRST), Some("a"));
        queue.finish("a", Next::OnChange, now);
    }
    queue.free("b", Lane::Fresh, now);
    assert_eq!(queue.take(now), Some("b"), "a key that nobody knew");
}

#[test]
fn the_depth_counts_each_waiting_key_once() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.wake("a", Lane::Backlog, now);
    queue.wake("a", Lane::Fresh, now);
    queue.free("b", Lane::Fresh, now);
    assert_eq!(queue.depth(), 2);
    queue.take(now);
    queue.wake("a", Lane::Fresh, now);
    assert_eq!((queue.depth(), queue.running()), (1, 1));
    queue.finish("a", Next::OnChange, now);
    assert_eq!((queue.depth(), queue.running()), (2, 0));
    while queue.take(now).is_some() {}
    assert_eq!((queue.depth(), queue.running()), (0, 2));
}
