//! `plugin.toml`: what a plugin is, which kinds it reconciles, and what it asks for.
//!
//! The format is versioned and closed: an unknown key is an error that names it, so that a misspelt
//! limit cannot be lost silently.

use serde::{Deserialize, Deserializer};

use crate::authority::check_rules;
use crate::grant::{HttpRule, JobGrant, KubeRule, SecretRule};
use crate::name::PluginName;
use crate::object::Gvk;
use crate::port::Measurement;
use crate::quantity::{Bytes, Time};

mod controller;
mod limits;
mod metric;
mod problem;
mod served;
mod status_fields;
mod watch_data;

pub use controller::{ControllerSpec, WakeBy, WatchSpec};
pub use metric::{MetricKind, MetricSpec};
pub use problem::ManifestError;
pub use served::Unserved;
pub use watch_data::WatchData;

/// Everything that a plugin says about itself.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format's version; 1.
    pub manifest: Version1,
    /// Who the plugin is.
    pub plugin: Identity,
    /// The controllers that the component holds.
    #[serde(default, rename = "controller")]
    pub controllers: Vec<ControllerSpec>,
    /// What it asks to be allowed.
    #[serde(default)]
    pub grant: Requests,
    /// The bounds it asks to run in.
    #[serde(default)]
    pub limits: Limits,
    /// The metrics of its own that it may write.
    #[serde(default, rename = "metric")]
    pub metrics: Vec<MetricSpec>,
}

/// The number 1 and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version1;

impl<'de> Deserialize<'de> for Version1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            1 => Ok(Self),
            other => Err(serde::de::Error::custom(format!(
                "manifest version {other} is not known to this host, which reads version 1"
            ))),
        }
    }
}

/// `[plugin]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The plugin's name, and the Plugin object's.
    pub name: PluginName,
    /// The plugin's own version, for people.
    pub version: String,
    /// What the component exports.
    pub kind: PluginKind,
    /// The WIT track it was built against, as `0.1`.
    pub track: String,
}

/// What a component exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginKind {
    /// One or several controllers.
    Controller,
    /// A framework adapter; run by the worker, not by this host.
    Adapter,
}

impl Manifest {
    /// The kinds that its controllers reconcile.
    pub fn reconciles(&self) -> impl Iterator<Item = &Gvk> {
        self.controllers.iter().flat_map(ControllerSpec::reconciles)
    }
}

/// How a kind's status spells what the status contract speaks of. Each field may have several names,
/// which are kept equal (SC-18).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatusFields {
    /// The field that holds the phase.
    pub phase: String,
    /// The fields that hold the time of the first move into a running phase.
    pub started: Vec<String>,
    /// The fields that hold the time of the first move into a terminal phase.
    pub finished: Vec<String>,
    /// The phases in which work is under way.
    pub running: Vec<String>,
    /// The phases that are never left.
    pub terminal: Vec<String>,
}

impl Default for StatusFields {
    fn default() -> Self {
        Self {
            phase: "phase".to_owned(),
            started: vec!["startedAt".to_owned()],
            finished: vec!["finishedAt".to_owned()],
            running: Vec::new(),
            terminal: Vec::new(),
        }
    }
}

/// `[grant]`: what the plugin asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requests {
    /// Calls to the API.
    pub kube: Vec<KubeRule>,
    /// Starting Jobs.
    pub jobs: Option<JobGrant>,
    /// Outgoing HTTP.
    pub http: Vec<HttpRule>,
    /// Use of Secrets.
    pub secrets: Vec<SecretRule>,
}

/// `[limits]`: per plugin; each has a safe default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Limits {
    /// Linear memory of one call.
    pub memory: Bytes,
    /// Time that the guest may compute in one call.
    pub cpu: Time,
    /// Time that one call may take, waiting included.
    pub wall: Time,
    /// Calls under way at once.
    pub concurrency: u16,
    /// Calls to the API server in one reconcile.
    pub api_per_reconcile: u32,
    /// Log lines in one reconcile.
    pub log_lines: u32,
    /// Calls to the API server per second, over all calls of the plugin.
    pub api_per_second: u32,
    /// Events in one reconcile.
    pub events: u32,
    /// Outgoing HTTP requests in one reconcile.
    pub http_requests: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Bytes(64 << 20),
            cpu: Time(std::time::Duration::from_millis(200)),
            wall: Time(std::time::Duration::from_secs(30)),
            concurrency: 8,
            api_per_reconcile: 50,
            log_lines: 100,
            api_per_second: 200,
            events: 10,
            http_requests: 20,
        }
    }
}

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`ManifestError::Syntax`] for text that is not of the format, [`ManifestError::Meaning`] where the
    /// parts contradict each other; both name the key, in 1 KiB at most.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self =
            toml::from_str(text).map_err(|error| ManifestError::syntax(text, &error))?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let wrong = |text: String| Err(ManifestError::meaning(&text));
        match (self.plugin.kind, self.controllers.is_empty()) {
            (PluginKind::Controller, true) => {
                return wrong("a plugin of kind \"controller\" needs a [[controller]]".to_owned());
            }
            (PluginKind::Adapter, false) => {
                return wrong("a plugin of kind \"adapter\" has no [[controller]]".to_owned());
            }
            _ => {}
        }
        let mut kinds: Vec<&Gvk> = Vec::new();
        let mut names: Vec<&PluginName> = Vec::new();
        for controller in &self.controllers {
            if names.contains(&&controller.name) {
                return wrong(format!("two controllers are named {:?}", controller.name.as_str()));
            }
            names.push(&controller.name);
            controller.check(self.grant.jobs.is_some()).or_else(wrong)?;
            for kind in controller.reconciles() {
                if kinds.contains(&kind) {
                    return wrong(format!("{kind} is reconciled twice"));
                }
                kinds.push(kind);
            }
        }
        let Requests { kube, jobs, http, secrets } = &self.grant;
        if let Err(problem) = check_rules(kube, jobs.as_ref(), http, secrets) {
            return wrong(format!("grant: {problem}"));
        }
        if !self.grant.http.is_empty() && self.limits.http_requests == 0 {
            let text = "[[grant.http]] asks for what limits.http-requests = 0 rules out";
            return wrong(text.to_owned());
        }
        self.limits.check().and_then(|()| metric::check(&self.metrics)).or_else(wrong)
    }

    /// The metric that a measurement is for, and the values of its labels in the order of
    /// [`MetricSpec::labels`].
    ///
    /// # Errors
    /// A text that names the metric, label, value or number that is not declared.
    pub fn measured(
        &self,
        measurement: &Measurement,
    ) -> Result<(&MetricSpec, Vec<String>), String> {
        let named = |spec: &&MetricSpec| spec.name == measurement.metric;
        let spec = self.metrics.iter().find(named).ok_or_else(|| {
            format!("the manifest declares no metric {:?}", metric::short(&measurement.metric))
        })?;
        Ok((spec, spec.accept(measurement)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"
manifest = 1
[plugin]
name = "kubetask"
version = "0.1.0"
kind = "controller"
track = "0.1"
[[controller]]
name = "task"
primary = { group = "kubetask.io", version = "v1alpha1", kind = "Task" }
watch = [{ kind = "batch/v1/Job", by = "owner" }, { kind = "v1/ConfigMap", by = "read", data = "metadata" }]
status = { phase = "phase", started = ["startTime", "startedAt"], finished = ["completionTime", "finishedAt"],
           running = ["Running"], terminal = ["Completed", "Failed"] }
[[grant.kube]]
verbs = ["get", "list", "watch"]
kinds = ["v1/ConfigMap"]
namespaces = "same"
required = true
[grant.jobs]
service-accounts = ["*"]
secrets = "same-namespace"
images = ["*"]
profile = "baseline"
max-active = 2000
[limits]
memory = "64Mi"
cpu = "200ms"
wall = "30s"
concurrency = 8
api-per-reconcile = 50
"#;

    const METRIC: &str = "[[metric]]\nname = \"calls\"\nkind = \"counter\"\nhelp = \"Calls.\"\n";

    #[test]
    fn a_measurement_is_held_against_the_metric_of_its_name() {
        let manifest = Manifest::parse(&format!("{SAMPLE}{METRIC}")).unwrap();
        let mut measurement = Measurement {
            metric: "calls".to_owned(),
            kind: MetricKind::Counter,
            value: 1.0,
            labels: Vec::new(),
        };
        assert_eq!(manifest.measured(&measurement), Ok((&manifest.metrics[0], Vec::new())));
        "walls".clone_into(&mut measurement.metric);
        assert!(manifest.measured(&measurement).unwrap_err().contains("no metric \"walls\""));
    }

    fn error_of(text: &str) -> String {
        Manifest::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_documented_sample_is_read() {
        let manifest = Manifest::parse(SAMPLE).unwrap();
        assert_eq!(manifest.plugin.name.as_str(), "kubetask");
        let [task] = manifest.controllers.as_slice() else { panic!("one controller expected") };
        assert_eq!(task.primary.to_string(), "kubetask.io/v1alpha1/Task");
        assert_eq!(task.watch[1].data, WatchData::Metadata);
        assert!(!task.watch[1].optional);
        assert_eq!(task.status.started, ["startTime", "startedAt"]);
        assert_eq!(manifest.grant.jobs.unwrap().max_active, 2000);
        assert_eq!(manifest.limits.memory, Bytes(64 << 20));
    }

    #[test]
    fn of_a_kind_as_much_is_kept_as_all_that_is_said_of_it_needs() {
        let both = "data = [\"/spec/a\"]\nwatch = [{ kind = \"v1/Secret\", by = \"read\", data = [\"/b\"] }, \
            { kind = \"kubetask.io/v1alpha1/Task\", by = \"read\", data = [\"/c\"] }, ";
        let manifest = Manifest::parse(&SAMPLE.replace("watch = [", both)).unwrap();
        let [task] = manifest.controllers.as_slice() else { panic!("one controller expected") };
        let kept = |kind: &str| task.kept(&kind.parse().unwrap());
        let fields = |names: &[&str]| {
            names.iter().fold(WatchData::Metadata, |data, name| data.and_field(name))
        };
        assert_eq!(kept("v1/Secret"), Some(fields(&["/b"])));
        assert_eq!(kept("v1/ConfigMap"), Some(WatchData::Metadata));
        assert_eq!(kept("batch/v1/Job"), Some(WatchData::Full));
        assert_eq!(kept("v1/Pod"), None);
        let own = fields(&["/spec/a", "/status", "/c"]);
        assert_eq!(kept("kubetask.io/v1alpha1/Task"), Some(own));
    }

    #[test]
    fn an_unknown_key_is_named() {
        for (from, to) in [
            ("concurrency", "concurency"),
            ("max-active", "max_active"),
            ("by = \"owner\"", "buy = \"owner\""),
            ("[limits]", "[limit]"),
        ] {
            let wrong = to.split(' ').next().unwrap().trim_matches(['[', ']']);
            let error = error_of(&SAMPLE.replacen(from, to, 1));
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn contradictions_are_refused_with_the_key() {
        let table = [
            (SAMPLE.replace("manifest = 1", "manifest = 2"), "version 2"),
            (SAMPLE.replace("name = \"kubetask\"", "name = \"Kube Task\""), "DNS label"),
            (SAMPLE.replace("watch = [", "finalizer = \"cleanup\"\nwatch = ["), "qualified name"),
            (SAMPLE.replace("watch = [", "finalizer-timeout = \"25h\"\nwatch = ["), "24 h"),
            (SAMPLE.replace("phase = \"phase\"", "phase = \"startTime\""), "\"startTime\""),
            (SAMPLE.replace("concurrency = 8", "concurrency = 0"), "concurrency"),
            (
                SAMPLE.replace(
                    "{ kind = \"batch/v1/Job\", by = \"owner\" }",
                    "{ kind = \"kubetask.io/v1alpha1/Task\", by = \"read\", optional = true }",
                ),
                "cannot be optional",
            ),
            (
                SAMPLE.replace("by = \"owner\"", "by = \"owner\", data = \"metadata\""),
                "status/conditions",
            ),
            (SAMPLE.replace("watch = [", "data = \"metadata\"\nwatch = ["), "for watched kinds"),
            (SAMPLE.replace("\"metadata\"", "[\"metadata\"]"), "no JSON pointer"),
            (SAMPLE.replace("verbs = [\"get\", \"list\", \"watch\"]", "verbs = []"), "verbs"),
            (SAMPLE.replace("memory = \"64Mi\"", "memory = \"64MB\""), "64MB"),
            (SAMPLE.replace("\"same\"", "[\"A\"]"), "namespace \"A\""),
            (SAMPLE.replace("images = [\"*\"]", "images = []"), "images"),
            (format!("{SAMPLE}[[grant.http]]\nhosts = [\"ftp://a\"]\nmethods = [\"GET\"]"), "ftp"),
            (SAMPLE.replace("batch/v1/Job", "Job"), "names no kind"),
            (SAMPLE.replace("kind = \"controller\"", "kind = \"adapter\""), "adapter"),
            (SAMPLE.replace("concurrency = 8", "events = 5000"), "limits.events = 5000"),
            (format!("{SAMPLE}{METRIC}{METRIC}"), "two metrics are named \"calls\""),
            (
                format!(
                    "{SAMPLE}http-requests = 0\n[[grant.http]]\nhosts = [\"*\"]\nmethods = [\"GET\"]"
                ),
                "http-requests = 0",
            ),
        ];
        for (text, part) in table {
            let error = error_of(&text);
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    }
}
