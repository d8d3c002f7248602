//! One watch after the other on the same objects, through whatever happens to the API server.
//!
//! # Guarantees
//! - What may pass is taken up again with growing delays, where the watch was: cuts, silence, errors. Silence
//!   is noticed by the client ([`crate::connect_watching`]). Each interruption is logged and counted.
//! - A watch that is refused for want of rights is tried again, at most every half minute in the long run,
//!   with a list: the rights may have been missing for long. That is told once, and once that it works again.
//! - A watch whose kind is not served any more ends, and so does one whose kind is found to be served
//!   otherwise when everything has to be listed anew: whoever needs the kind looks it up again.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use joch_core::backoff;
use joch_core::manifest::WatchData;
use kube::Client;
use kube::api::{Api, DynamicObject, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_events};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{Health, Scope, Watch};
use crate::client::api;
use crate::kinds::{Kinds, Served};
use crate::metrics::{Metrics, WatchLabels};

/// The longest delay before a watch that was refused is tried again.
const LONGEST: Duration = Duration::from_secs(30);
/// How long a watch that was refused before has to hold after its list to be told well: the right to list
/// is not the right to watch.
const PROOF: Duration = Duration::from_secs(2);

/// Where a watch takes its objects from.
pub(super) struct Source {
    pub(super) client: Client,
    pub(super) kinds: Arc<Kinds>,
    pub(super) served: Served,
    pub(super) metrics: Metrics,
}

/// Why a stream of events was left.
enum End {
    /// The watch has no users.
    Unused,
    /// The kind is not served any more, or otherwise.
    Gone,
    /// The API server refuses it: its words.
    Denied(String),
}

/// Follows the API server for as long as the watch has users and the kind is served.
pub(super) async fn follow(watch: Weak<Watch>, source: Source) {
    let Some(scope) = watch.upgrade().map(|watch| watch.scope.clone()) else { return };
    let mut denials = 0_u32;
    let mut first = true;
    loop {
        let end = attend(&watch, &scope, &source, first, &mut denials).await;
        first = false;
        let Some(held) = watch.upgrade() else { return };
        match end {
            End::Unused => return,
            End::Gone => {
                info!(kind = %scope.kind, "the API server does not serve the kind any more, or otherwise");
                source.kinds.forget(&scope.kind);
                held.set_health(Health::Gone);
                return;
            }
            End::Denied(reason) => {
                denials = denials.saturating_add(1);
                if held.set_health(Health::Denied) {
                    warn!(kind = %scope.kind, namespace = scope.namespace, reason,
                        "the host may not watch; it is tried again with growing delays");
                }
            }
        }
        drop(held);
        tokio::time::sleep(backoff::ask_again(denials, LONGEST, rand::random())).await;
    }
}

/// Follows one stream of events. `first` says that nothing was listed before; `denials` counts the refusals
/// since the watch was well, and is set back.
async fn attend(
    watch: &Weak<Watch>,
    scope: &Scope,
    source: &Source,
    mut first: bool,
    denials: &mut u32,
) -> End {
    let Source { client, kinds, served, metrics } = source;
    let config = watcher::Config::default();
    let events = match scope.data {
        WatchData::Full | WatchData::Fields(_) => watch_events(
            api::<DynamicObject>(client, &served.resource, scope.namespace.as_deref()),
            config,
        )
        .left_stream(),
        WatchData::Metadata => {
            let api: Api<PartialObjectMeta<DynamicObject>> =
                api(client, &served.resource, scope.namespace.as_deref());
            watch_events(api, config).map_ok(whole).right_stream()
        }
    };
    let mut events = pin!(events.default_backoff());
    // When a watch that was refused before has held for long enough.
    let mut proven: Option<Instant> = None;
    loop {
        let proof = async {
            match proven {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            event = events.try_next() => event,
            () = proof => {
                let Some(watch) = watch.upgrade() else { return End::Unused };
                (*denials, proven) = (0, None);
                watch.set_health(Health::Synced);
                info!(kind = %scope.kind, namespace = scope.namespace, "the host may watch again");
                continue;
            }
        };
        let Some(watch) = watch.upgrade() else { return End::Unused };
        match event {
            Ok(Some(event)) => {
                let (begins, ends) =
                    (matches!(event, Event::Init), matches!(event, Event::InitDone));
                if begins && !std::mem::take(&mut first) && is_another(kinds, scope, served).await {
                    return End::Gone;
                }
                watch.take_in(event);
                match (begins, ends) {
                    (true, _) => proven = None,
                    (_, true) if *denials > 0 => proven = Some(Instant::now() + PROOF),
                    (_, true) => _ = watch.set_health(Health::Synced),
                    _ => {}
                }
            }
            Ok(None) => return End::Unused,
            Err(error) => {
                let reason = interruption(&error);
                metrics.watch_interruptions.get_or_create(&WatchLabels { reason }).inc();
                match reason {
                    "gone" => return End::Gone,
                    "denied" => return End::Denied(error.to_string()),
                    // Not every API server sends bookmarks of a kind that never changes: no reason to alarm.
                    "stalled" => {
                        info!(kind = %scope.kind, "a watch has been silent for long; it is taken up again");
                    }
                    _ => {
                        warn!(kind = %scope.kind, reason, %error, "watch interrupted; it is taken up again");
                    }
                }
            }
        }
    }
}

/// Whether the kind is served otherwise than the watch has it, or not at all: its definition may have been
/// deleted and made anew since. An API server that cannot be asked has changed nothing.
async fn is_another(kinds: &Kinds, scope: &Scope, served: &Served) -> bool {
    match kinds.look_up(&scope.kind).await {
        Ok(now) => now.as_ref() != Some(served),
        Err(error) => {
            debug!(kind = %scope.kind, %error, "the kind cannot be looked up; it is taken as it was");
            false
        }
    }
}

/// Why a watch was interrupted, in one word.
pub(crate) fn interruption(error: &watcher::Error) -> &'static str {
    match error {
        watcher::Error::WatchError(status) if status.code == 410 => "expired",
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410 => {
            "expired"
        }
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => match status.code {
            404 => "gone",
            403 => "denied",
            _ => "refused",
        },
        watcher::Error::WatchError(_) => "refused",
        other if timed_out(other) => "stalled",
        _ => "cut",
    }
}

/// Whether the error was caused by silence.
fn timed_out(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_timeout = |error: &(dyn std::error::Error + 'static)| {
        let io = error.downcast_ref::<std::io::Error>();
        // What an io::Error carries is no source of it.
        io.is_some_and(|io| {
            io.kind() == std::io::ErrorKind::TimedOut
                || io.get_ref().is_some_and(|inner| timed_out(inner))
        })
    };
    std::iter::successors(Some(error), |error| error.source()).any(is_timeout)
}

/// An event about metadata, as one about an object that has nothing else.
fn whole(event: Event<PartialObjectMeta<DynamicObject>>) -> Event<DynamicObject> {
    let object = |partial: PartialObjectMeta<DynamicObject>| DynamicObject {
        types: None,
        metadata: partial.metadata,
        data: serde_json::Value::Object(serde_json::Map::new()),
    };
    match event {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::InitApply(partial) => Event::InitApply(object(partial)),
        Event::Apply(partial) => Event::Apply(object(partial)),
        Event::Delete(partial) => Event::Delete(object(partial)),
    }
}
