//! Leases as the API server has them (`coordination.k8s.io/v1`).

use std::collections::BTreeSet;

use joch_core::lease::{Answer, Ask, Seat, Seen, Snapshot, Taken, Times};
use joch_core::name::PluginName;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};

/// The label of all Leases; its value is `member`, `plugin` or `kind`.
const LABEL: &str = "joch.dev/lease";
/// The annotation of a member: the plugins that it could run, separated by commas.
const PLUGINS: &str = "joch.dev/plugins";
/// The annotation of a seat: for which plugin it is taken.
const PLUGIN: &str = "joch.dev/plugin";
const MEMBER_PREFIX: &str = "joch-member-";

/// Why a request was not done that should have been.
pub(super) struct Trouble {
    pub(super) text: String,
    /// The host may not do it.
    pub(super) denied: bool,
}

/// The Leases of one namespace.
pub(super) struct Wire {
    api: Api<Lease>,
    namespace: String,
    times: Times,
}

impl Wire {
    pub(super) fn new(client: Client, namespace: Option<String>, times: Times) -> Self {
        let namespace = namespace.unwrap_or_else(|| client.default_namespace().to_owned());
        Self { api: Api::namespaced(client, &namespace), namespace, times }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Sends one request, and waits for its answer at most for a retry period.
    pub(super) async fn perform(&self, ask: &Ask) -> (Answer, Option<Trouble>) {
        match tokio::time::timeout(self.times.retry, self.send(ask)).await {
            Ok(Ok(answer)) => (answer, None),
            Ok(Err(error)) => judge(ask, &error),
            Err(_) => {
                let text = format!("no answer within {:?}", self.times.retry);
                (Answer::Unknown, Some(Trouble { text, denied: false }))
            }
        }
    }

    async fn send(&self, ask: &Ask) -> Result<Answer, kube::Error> {
        let params = PostParams::default();
        let lease = match ask {
            Ask::List => {
                let leases = self.api.list(&ListParams::default().labels(LABEL)).await?;
                return Ok(Answer::Listed(snapshot(leases.items)));
            }
            Ask::Join { member, plugins } => {
                self.api.create(&params, &self.member(member, plugins, None)).await?
            }
            Ask::Renew { member, plugins, version } => {
                let lease = self.member(member, plugins, Some(version));
                self.replace(&member_name(member), lease).await?
            }
            Ask::Take { seat, member, plugin, version } => {
                let lease = self.seat(seat, member, plugin, version.as_ref());
                match version {
                    None => self.api.create(&params, &lease).await?,
                    Some(_) => self.replace(&seat_name(seat), lease).await?,
                }
            }
            Ask::Vacate { seat, version } => return self.delete(&seat_name(seat), version).await,
            Ask::End { member, version } => {
                return self.delete(&member_name(member), version).await;
            }
        };
        Ok(Answer::Done(lease.metadata.resource_version.unwrap_or_default()))
    }

    /// Replaces a Lease in the version that it names. By a patch: of all kinds, Leases are made by a PUT if
    /// they are not there, in whatever version, and a member that was ended would be back.
    async fn replace(&self, name: &str, lease: Lease) -> Result<Lease, kube::Error> {
        self.api.patch(name, &PatchParams::default(), &Patch::Merge(lease)).await
    }

    async fn delete(&self, name: &str, version: &str) -> Result<Answer, kube::Error> {
        let resource_version = Some(version.to_owned());
        let preconditions = Preconditions { resource_version, uid: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match self.api.delete(name, &params).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            answer => drop(answer?),
        }
        Ok(Answer::Done(version.to_owned()))
    }

    fn member(
        &self,
        member: &str,
        plugins: &BTreeSet<PluginName>,
        version: Option<&String>,
    ) -> Lease {
        let plugins: Vec<&str> = plugins.iter().map(PluginName::as_str).collect();
        let metadata = meta(member_name(member), "member", (PLUGINS, plugins.join(",")), version);
        let seconds = i32::try_from(self.times.duration.as_secs()).unwrap_or(i32::MAX);
        let spec = LeaseSpec {
            holder_identity: Some(member.to_owned()),
            lease_duration_seconds: Some(seconds.max(1)),
            renew_time: Some(now()),
            ..LeaseSpec::default()
        };
        Lease { metadata, spec: Some(spec) }
    }

    fn seat(
        &self,
        seat: &Seat,
        member: &str,
        plugin: &PluginName,
        version: Option<&String>,
    ) -> Lease {
        let label = match seat {
            Seat::Plugin(_) => "plugin",
            Seat::Kind(_) => "kind",
        };
        let metadata = meta(seat_name(seat), label, (PLUGIN, plugin.to_string()), version);
        let spec = LeaseSpec {
            holder_identity: Some(member.to_owned()),
            acquire_time: Some(now()),
            ..LeaseSpec::default()
        };
        Lease { metadata, spec: Some(spec) }
    }
}

fn member_name(member: &str) -> String {
    format!("{MEMBER_PREFIX}{member}")
}

fn seat_name(seat: &Seat) -> String {
    format!("joch-{seat}")
}

/// Times in Leases are for people; nobody decides by them.
fn now() -> MicroTime {
    MicroTime(k8s_openapi::jiff::Timestamp::now())
}

fn meta(
    name: String,
    label: &str,
    annotation: (&str, String),
    version: Option<&String>,
) -> ObjectMeta {
    let labels = [(LABEL, label), ("app.kubernetes.io/managed-by", "joch-controller-manager")];
    ObjectMeta {
        name: Some(name),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        annotations: Some([(annotation.0.to_owned(), annotation.1)].into()),
        resource_version: version.cloned(),
        ..ObjectMeta::default()
    }
}

/// What an error says about the request.
fn judge(ask: &Ask, error: &kube::Error) -> (Answer, Option<Trouble>) {
    let code = match error {
        kube::Error::Api(status) => status.code,
        _ => 0,
    };
    // Who is missing may be the namespace.
    let creates = matches!(ask, Ask::Join { .. } | Ask::Take { version: None, .. });
    match code {
        409 => (Answer::Refused, None),
        404 if !creates && *ask != Ask::List => (Answer::Refused, None),
        _ => {
            let trouble = Trouble { text: error.to_string(), denied: code == 403 };
            (Answer::Unknown, Some(trouble))
        }
    }
}

/// The Leases that can be understood.
fn snapshot(leases: Vec<Lease>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for lease in leases {
        let metadata = lease.metadata;
        let (Some(name), Some(version)) = (metadata.name, metadata.resource_version) else {
            continue;
        };
        let read = |key: &str| metadata.annotations.as_ref()?.get(key).cloned();
        let label = metadata.labels.as_ref().and_then(|labels| labels.get(LABEL));
        if let Some(member) =
            name.strip_prefix(MEMBER_PREFIX).filter(|_| label.is_some_and(|it| it == "member"))
        {
            let plugins = read(PLUGINS).unwrap_or_default();
            let plugins = plugins.split(',').filter_map(|name| name.parse().ok()).collect();
            snapshot.members.insert(member.to_owned(), Seen { version, plugins });
            continue;
        }
        let Some(seat) = seat_of(&name) else { continue };
        let own = match &seat {
            Seat::Plugin(plugin) => Some(plugin.clone()),
            Seat::Kind(_) => None,
        };
        let plugin = read(PLUGIN).and_then(|name| name.parse().ok()).or(own);
        let Some(plugin) = plugin.or_else(|| "unknown".parse().ok()) else { continue };
        let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        snapshot.seats.insert(seat, Taken { version, holder, plugin });
    }
    snapshot
}

fn seat_of(name: &str) -> Option<Seat> {
    if let Some(plugin) = name.strip_prefix("joch-plugin-") {
        return plugin.parse().ok().map(Seat::Plugin);
    }
    name.strip_prefix("joch-kind-").map(|kind| Seat::Kind(kind.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> Wire {
        let service = tower::service_fn(async |_: http::Request<kube::client::Body>| {
            Err::<http::Response<kube::client::Body>, _>(std::io::Error::other("nobody"))
        });
        Wire::new(Client::new(service, "here"), None, Times::DEFAULT)
    }

    #[tokio::test]
    async fn leases_are_read_as_they_are_written() {
        let wire = wire();
        assert_eq!(wire.namespace(), "here");
        let names: BTreeSet<PluginName> = ["p", "q"].map(|it| it.parse().unwrap()).into();
        let plugin: PluginName = "p".parse().unwrap();
        let seats = [Seat::Plugin(plugin.clone()), Seat::Kind("task.kubetask.io".to_owned())];
        let version = "7".to_owned();
        let mut leases = vec![wire.member("pod-0-ab-1", &names, Some(&version))];
        leases.extend(seats.iter().map(|it| wire.seat(it, "pod-0-ab-1", &plugin, Some(&version))));
        leases.push(Lease::default());
        let read = snapshot(leases);
        assert_eq!(read.members["pod-0-ab-1"], Seen { version: version.clone(), plugins: names });
        for seat in &seats {
            let taken = Taken {
                version: version.clone(),
                holder: "pod-0-ab-1".into(),
                plugin: plugin.clone(),
            };
            assert_eq!(read.seats[seat], taken);
        }
        assert_eq!(read.seats.len(), 2);
    }

    fn refused(code: u16) -> kube::Error {
        let status = kube::core::Status { code, ..kube::core::Status::default() };
        kube::Error::Api(Box::new(status))
    }

    #[test]
    fn only_a_conflict_is_a_refusal_and_a_missing_right_is_named() {
        let version = "1".to_owned();
        let renew = Ask::Renew { member: "m".into(), plugins: BTreeSet::new(), version };
        let join = Ask::Join { member: "m".into(), plugins: BTreeSet::new() };
        assert_eq!(judge(&renew, &refused(409)).0, Answer::Refused);
        assert_eq!(judge(&renew, &refused(404)).0, Answer::Refused);
        assert_eq!(judge(&join, &refused(404)).0, Answer::Unknown, "the namespace is missing");
        assert_eq!(judge(&renew, &refused(500)).0, Answer::Unknown);
        let (answer, trouble) = judge(&Ask::List, &refused(403));
        assert_eq!(answer, Answer::Unknown);
        assert!(trouble.unwrap().denied);
    }
}
