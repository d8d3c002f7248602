//! A version's probation as its controllers and its loader share it.

use std::sync::Mutex;
use std::time::Instant;

use joch_core::object::ObjectKey;
use joch_core::probation::{Conduct, Probation, Verdict};
use tokio::sync::watch;

use crate::kinds::lock;

/// One version's record; told by the controllers, asked by whoever may have to roll back.
#[derive(Debug)]
pub struct Trial {
    probation: Mutex<Probation>,
    verdict: watch::Sender<Verdict>,
}

impl Trial {
    /// A version goes live that proved itself `before`, or has yet to do so.
    #[must_use]
    pub fn new(before: bool) -> Self {
        let now = Instant::now();
        let probation = if before { Probation::passed(now) } else { Probation::new(now) };
        let verdict = watch::Sender::new(probation.verdict());
        Self { probation: Mutex::new(probation), verdict }
    }

    /// What is known by now.
    #[must_use]
    pub fn so_far(&self) -> Verdict {
        *self.verdict.borrow()
    }

    /// Waits for the verdict.
    pub async fn verdict(&self) -> Verdict {
        let mut known = self.verdict.subscribe();
        loop {
            let verdict = *known.borrow_and_update();
            if verdict != Verdict::OnProbation {
                return verdict;
            }
            let due = lock(&self.probation).due();
            let over = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The sender lives as long as this call.
                _ = known.changed() => {}
                () = over => {
                    self.tick();
                    if self.so_far() == Verdict::OnProbation {
                        // Nothing but incidents so far: the next call decides.
                        known.changed().await.ok();
                    }
                }
            }
        }
    }

    /// A call ended; see [`Probation::record`].
    pub(crate) fn record(
        &self,
        key: &ObjectKey,
        conduct: Conduct,
        broke_before: bool,
        objects: usize,
    ) {
        let mut probation = lock(&self.probation);
        probation.record(key, conduct, broke_before, objects);
        let verdict = probation.tick(Instant::now());
        drop(probation);
        self.tell(verdict);
    }

    fn tick(&self) {
        let verdict = lock(&self.probation).tick(Instant::now());
        self.tell(verdict);
    }

    fn tell(&self, verdict: Verdict) {
        self.verdict.send_if_modified(|known| {
            let differs = *known != verdict;
            *known = verdict;
            differs
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_verdict_is_waited_for_and_stays() {
        let trial = Trial::new(false);
        let key = |number: usize| ObjectKey {
            kind: "v1/ConfigMap".parse().unwrap(),
            namespace: None,
            name: number.to_string(),
        };
        let told = async {
            for number in 0..3 {
                tokio::task::yield_now().await;
                trial.record(&key(number), Conduct::Broke, false, 9);
            }
        };
        let (verdict, ()) = tokio::join!(trial.verdict(), told);
        assert_eq!(verdict, Verdict::Bad);
        trial.record(&key(9), Conduct::Answered, false, 9);
        assert_eq!(trial.so_far(), Verdict::Bad);
        assert_eq!(Trial::new(true).verdict().await, Verdict::Good);
    }
}
