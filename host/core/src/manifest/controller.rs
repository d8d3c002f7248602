//! `[[controller]]`: what a controller reconciles and watches, and how much of it.

use serde::{Deserialize, Deserializer};

use super::{StatusFields, WatchData};
use crate::name::PluginName;
use crate::object::Gvk;
use crate::quantity::Time;
use crate::{finalizer, job};

/// `[[controller]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControllerSpec {
    /// The controller's name within the plugin; a DNS label, as the field manager carries it.
    pub name: PluginName,
    /// The kind that it reconciles.
    pub primary: Gvk,
    /// Further kinds that it reconciles in the same way.
    #[serde(default)]
    pub also: Vec<Gvk>,
    /// How much of each of its own objects it is given. The status, which the host looks after, is always
    /// part of it.
    #[serde(default)]
    pub data: WatchData,
    /// The other kinds whose changes matter to it.
    #[serde(default)]
    pub watch: Vec<WatchSpec>,
    /// The finalizer that the host keeps on the primaries, so that `finalize` is called before they go.
    #[serde(default)]
    pub finalizer: Option<String>,
    /// How long after an object's deletion was asked for its finalizer is taken off at the latest,
    /// whatever `finalize` answers.
    #[serde(default = "ten_minutes", rename = "finalizer-timeout")]
    pub finalizer_timeout: Time,
    /// How the kind's status spells its phases and times.
    #[serde(default)]
    pub status: StatusFields,
}

fn ten_minutes() -> Time {
    Time(std::time::Duration::from_secs(600))
}

impl ControllerSpec {
    /// The kinds that it reconciles: the primary first.
    pub fn reconciles(&self) -> impl Iterator<Item = &Gvk> {
        std::iter::once(&self.primary).chain(&self.also)
    }

    /// Whether it can be run; `starts_jobs` says that the plugin asks for `[grant.jobs]`.
    ///
    /// # Errors
    /// A text that names the key.
    pub(super) fn check(&self, starts_jobs: bool) -> Result<(), String> {
        check_finalizer(self)?;
        check_optional(self)?;
        check_data(self, starts_jobs)?;
        self.status.check()
    }

    /// How much is kept of each object of a kind; none if it neither reconciles nor watches it. Of what it
    /// does both with, or watches twice, as much as they need together.
    #[must_use]
    pub fn kept(&self, kind: &Gvk) -> Option<WatchData> {
        let own = self.reconciles().find(|own| *own == kind);
        let own = own.map(|_| self.data.clone().and_field("/status"));
        let watched = self.watch.iter().filter(|watch| watch.kind == *kind);
        own.into_iter().chain(watched.map(|watch| watch.data.clone())).reduce(WatchData::and)
    }

    /// Whether both reconcile and watch the same, so that one may follow the other without a restart.
    #[must_use]
    pub fn same_shape(&self, other: &Self) -> bool {
        let shape = |spec: &Self| {
            let own = (spec.primary.clone(), spec.also.clone(), spec.data.clone());
            (spec.name.clone(), own, spec.watch.clone())
        };
        shape(self) == shape(other)
    }
}

/// One entry of a controller's `watch`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchSpec {
    /// The kind watched.
    #[serde(deserialize_with = "kind_text")]
    pub kind: Gvk,
    /// Which primaries a change wakes.
    pub by: WakeBy,
    /// How much of each object the host keeps and hands over.
    #[serde(default)]
    pub data: WatchData,
    /// Whether the controller runs without the kind while the API server does not serve it.
    #[serde(default)]
    pub optional: bool,
}

/// Which primaries a change of a watched object wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WakeBy {
    /// The one that owns it (controller owner reference), and those that read it.
    Owner,
    /// Those whose last reconcile read it, or looked for it in vain.
    Read,
}

fn check_optional(controller: &ControllerSpec) -> Result<(), String> {
    let mut optional = controller.watch.iter().filter(|watch| watch.optional);
    match optional.find(|watch| controller.reconciles().any(|kind| *kind == watch.kind)) {
        Some(WatchSpec { kind, .. }) => Err(format!(
            "watch: {kind} cannot be optional, controller {:?} reconciles it",
            controller.name.as_str()
        )),
        None => Ok(()),
    }
}

/// Masks must leave what the host itself looks at.
fn check_data(controller: &ControllerSpec, starts_jobs: bool) -> Result<(), String> {
    let conditions = "/status/conditions";
    let name = controller.name.as_str();
    if controller.data == WatchData::Metadata {
        return Err(format!(
            "controller {name:?}: data = \"metadata\" is for watched kinds; name the fields, as [\"/spec\"]"
        ));
    }
    let job = job::kind();
    if starts_jobs && controller.kept(&job).is_some_and(|data| !data.keeps(conditions)) {
        return Err(format!(
            "controller {name:?}: data of {job} has to keep {conditions:?}, by which the host counts what [grant.jobs] starts"
        ));
    }
    Ok(())
}

fn check_finalizer(controller: &ControllerSpec) -> Result<(), String> {
    let named = controller.finalizer.as_deref();
    if let Some(name) = named.filter(|name| !finalizer::is_qualified(name)) {
        return Err(format!(
            "finalizer = {name:?} has to be a qualified name, as \"example.com/clean-up\""
        ));
    }
    let timeout = controller.finalizer_timeout.0;
    if timeout.is_zero() || timeout > finalizer::LONGEST {
        return Err("finalizer-timeout has to be greater than 0 and at most 24 h".to_owned());
    }
    Ok(())
}

fn kind_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Gvk, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}
