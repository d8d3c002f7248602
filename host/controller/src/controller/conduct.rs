//! What a call says about its object and its plugin: parked objects, and plugins that are given a rest (G8).

use std::time::Instant;

use joch_core::blame::Blame;
use joch_core::breaker::{News, PARKED, Recorded};
use joch_core::object::ObjectKey;
use joch_core::outcome::{Failure, Outcome};
use joch_core::port::Note;
use joch_core::probation::Conduct;
use tracing::{debug, info, warn};

use super::{Controller, Inner, publish};
use crate::kinds::lock;
use crate::registry::Version;
use crate::session::Session;

impl Controller {
    /// Adds a call to the records of its object, its controller and its version, and tells what changed.
    pub(super) async fn record(
        &self,
        version: &Version,
        session: &Session,
        result: &Result<Outcome, Failure>,
        blame: Option<Blame>,
    ) {
        let conduct = match blame {
            Some(Blame::Cluster | Blame::Refusal | Blame::Host) => return,
            Some(Blame::Guest) => Conduct::Broke,
            Some(Blame::Object) | None => Conduct::Answered,
        };
        let key = session.key();
        let (recorded, parked) = self.note(version, key, conduct);
        let failure = result.as_ref().err();
        version.trial.record(key, conduct, recorded.broke_before, self.objects());
        for news in recorded.news {
            self.tell(version, session, news, failure);
        }
        let why = match conduct {
            Conduct::Answered => None,
            Conduct::Broke if parked => failure,
            // Whatever was said of it before stands: it has not been answered for.
            Conduct::Broke => return,
        };
        if let Err(error) = session.park(why).await {
            debug!(%error, "the condition joch.dev/Parked is written at the next turn");
        }
    }

    /// Adds a call to the breaker's record; also whether the object is parked then.
    fn note(&self, version: &Version, key: &ObjectKey, conduct: Conduct) -> (Recorded, bool) {
        // A call that a version before the live one had begun says nothing about the live one.
        let live = self.version.load().digest == version.digest;
        let mut inner = lock(&self.inner);
        let recorded = if live {
            inner.breaker.record(key, version.digest, conduct, Instant::now(), rand::random())
        } else {
            Recorded::default()
        };
        if conduct == Conduct::Broke || !recorded.news.is_empty() {
            self.show(&inner);
        }
        (recorded, inner.breaker.is_parked(key))
    }

    /// Keeps the metrics in step.
    pub(super) fn show(&self, inner: &Inner) {
        let metrics = &self.around.metrics;
        let parked = i64::try_from(inner.breaker.parked().count()).unwrap_or(i64::MAX);
        metrics.parked.get_or_create(&self.label).set(parked);
        metrics.resting.get_or_create(&self.label).set(inner.breaker.has_tripped().into());
    }

    fn tell(&self, version: &Version, session: &Session, news: News, failure: Option<&Failure>) {
        let last = failure.map(ToString::to_string).unwrap_or_default();
        let name = &self.spec.name;
        match news {
            News::Parked => {
                let message = format!(
                    "the plugin broke {PARKED} times in a row on this object: {last}; it is tried again \
                     after growing delays, and at once when the object or the plugin is changed"
                );
                warn!("the object is parked");
                publish(session, Note { warning: true, reason: "Parked".to_owned(), message });
            }
            News::Freed => {
                info!("the object is not parked any more");
                let message = "the plugin answered for this object again".to_owned();
                publish(session, Note { warning: false, reason: "Recovered".to_owned(), message });
            }
            News::Tripped(times) => {
                self.around.metrics.rests.get_or_create(&self.label).inc();
                let message = format!(
                    "controller {name} broke on several objects and is given a rest (number {times} in a \
                     row); last: {last}"
                );
                warn!(controller = %name, rests = times, "{message}");
                self.tell_plugin(version, true, "Resting", message);
            }
            News::Recovered => {
                let message = format!("controller {name} works again");
                info!(controller = %name, "{message}");
                self.tell_plugin(version, false, "Recovered", message);
            }
        }
    }

    fn tell_plugin(&self, version: &Version, warning: bool, reason: &str, message: String) {
        let note = Note { warning, reason: reason.to_owned(), message };
        self.around.notes.about_plugin(version.plugin(), note);
    }
}
