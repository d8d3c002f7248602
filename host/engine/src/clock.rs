//! How long a guest computed.
//!
//! All time inside the call's `poll` counts, except what the session (the host's own work, and waiting
//! for the API server) takes. wasmtime's call hooks would also leave out `memory.fill`, `memory.grow` and
//! the copying of arguments, so that a guest could compute there for nothing; hence the explicit
//! [`CpuClock::outside`].

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use joch_core::manifest::Limits;

use crate::failure::Exceeded;

/// The `since` of a clock that stands.
const STOPPED: u64 = u64::MAX;

/// Counts a guest's computing time. Only the task that polls the call moves it, so relaxed order will do.
#[derive(Debug)]
pub(crate) struct CpuClock {
    zero: Instant,
    spent: AtomicU64,
    since: AtomicU64,
    late_ticks: AtomicU32,
}

impl CpuClock {
    /// A clock that stands at zero.
    pub(crate) fn new() -> Self {
        Self {
            zero: Instant::now(),
            spent: AtomicU64::new(0),
            since: AtomicU64::new(STOPPED),
            late_ticks: AtomicU32::new(0),
        }
    }

    /// Which deadline is over at a tick, if one is; counted.
    pub(crate) fn late(&self, limits: &Limits) -> Option<Exceeded> {
        let exceeded = if self.used() >= limits.cpu.0 {
            Exceeded::Cpu
        } else if self.zero.elapsed() >= limits.wall.0 {
            Exceeded::Wall
        } else {
            return None;
        };
        self.late_ticks.fetch_add(1, Ordering::Relaxed);
        Some(exceeded)
    }

    /// At how many ticks a deadline was over.
    pub(crate) fn late_ticks(&self) -> u32 {
        self.late_ticks.load(Ordering::Relaxed)
    }

    /// The time counted so far.
    pub(crate) fn used(&self) -> Duration {
        let since = self.since.load(Ordering::Relaxed);
        let running = if since == STOPPED { 0 } else { self.now().saturating_sub(since) };
        Duration::from_nanos(self.spent.load(Ordering::Relaxed).saturating_add(running))
    }

    /// Runs `future` with the clock going while it is polled.
    pub(crate) async fn inside<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            self.start();
            let state = future.as_mut().poll(context);
            self.stop();
            state
        })
        .await
    }

    /// Runs `future`, which is part of one that runs `inside`, with the clock standing.
    pub(crate) async fn outside<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            self.stop();
            let state = future.as_mut().poll(context);
            self.start();
            state
        })
        .await
    }

    fn now(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_nanos()).unwrap_or(STOPPED - 1)
    }

    fn start(&self) {
        self.since.store(self.now(), Ordering::Relaxed);
    }

    fn stop(&self) {
        let since = self.since.swap(STOPPED, Ordering::Relaxed);
        if since != STOPPED {
            self.spent.fetch_add(self.now().saturating_sub(since), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    #[tokio::test]
    async fn only_the_guests_own_time_counts() {
        let clock = CpuClock::new();
        let unit = Duration::from_millis(20);
        clock
            .inside(async {
                work(unit);
                clock
                    .outside(async {
                        work(unit * 10);
                        tokio::time::sleep(unit * 3).await;
                    })
                    .await;
                tokio::task::yield_now().await;
                work(unit);
            })
            .await;
        let used = clock.used();
        assert!(used >= unit * 2 && used < unit * 8, "{used:?}");
    }
}
