//! What is wanted of one plugin: which version, with which grants, bounds and settings.

use std::path::PathBuf;
use std::sync::Arc;

use joch_artifact::{EntryError, FolderEntry, Package};
use joch_core::authority::{Allow, Entry};
use joch_core::grant::http::{HostPattern, InvalidPattern};
use joch_core::grant::{HttpRule, JobGrant, KubeRule, Namespaces, Profile, SecretRule, SecretUse};
use joch_core::lease::Tenure;
use joch_core::manifest::{Limits, Manifest};
use joch_core::name::Digest;
use joch_core::quantity::{Bytes, Time};
use joch_crds::joch::{
    Allow as CrdAllow, GrantScope, JobSecrets, PluginGrants, PluginLimits, PluginMode,
    PluginStatus, PodProfile,
};

/// Where a plugin's version comes from, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A file of the plugin folder.
    Folder(PathBuf),
    /// A Plugin object; the text tells its source.
    Object(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Object(source) => f.write_str(source),
        }
    }
}

/// One version, with the bytes within reach.
#[derive(Debug, Clone)]
pub(crate) struct Artifact {
    pub(crate) digest: Digest,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) bytes: Reach,
}

/// Where an artifact's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Reach {
    /// In a file, which is read when it is needed.
    File(Box<FolderEntry>),
    /// In memory.
    Held(Box<Package>),
}

impl Artifact {
    pub(crate) fn held(package: Package) -> Self {
        let (digest, manifest) = (package.digest, Arc::new(package.manifest.clone()));
        Self { digest, manifest, bytes: Reach::Held(Box::new(package)) }
    }

    /// The artifact of a file that was found.
    ///
    /// # Errors
    /// Why the file cannot be used.
    pub(crate) fn of_file(entry: &FolderEntry) -> Result<Self, EntryError> {
        let found = entry.plugin.as_ref().map_err(Clone::clone)?;
        Ok(Self {
            digest: found.digest,
            manifest: found.manifest.clone(),
            bytes: Reach::File(Box::new(entry.clone())),
        })
    }

    /// The bytes. Blocks.
    ///
    /// # Errors
    /// The file is another one by now, or cannot be read.
    pub(crate) fn package(&self) -> Result<Package, EntryError> {
        match &self.bytes {
            Reach::File(entry) => entry.load(),
            Reach::Held(package) => Ok(package.as_ref().clone()),
        }
    }
}

/// What was tried, or is to be tried: two that are equal need not be tried twice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attempt {
    pub(crate) digest: Digest,
    /// The only digest that is accepted.
    pub(crate) pin: Option<String>,
    pub(crate) grants: Entry,
    pub(crate) limits: Option<PluginLimits>,
    pub(crate) config: Arc<str>,
    pub(crate) mode: PluginMode,
}

/// What is wanted of one plugin.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) origin: Origin,
    /// The version, or one sentence why there is none.
    pub(crate) artifact: Result<Artifact, String>,
    /// The only digest that is accepted.
    pub(crate) pin: Option<String>,
    /// What it may do, or one sentence why that cannot be read.
    pub(crate) grants: Result<Entry, String>,
    pub(crate) limits: Option<PluginLimits>,
    pub(crate) config: Arc<str>,
    pub(crate) mode: PluginMode,
    /// What the Plugin object said when the host saw it first.
    pub(crate) known: Option<Box<PluginStatus>>,
    /// This replica's time with it.
    pub(crate) tenure: Tenure,
}

impl Wanted {
    /// What is to be tried, if there is a version to try.
    pub(crate) fn attempt(&self) -> Option<Attempt> {
        Some(Attempt {
            digest: self.artifact.as_ref().ok()?.digest,
            pin: self.pin.clone(),
            grants: self.grants.as_ref().ok()?.clone(),
            limits: self.limits.clone(),
            config: self.config.clone(),
            mode: self.mode,
        })
    }
}

/// The manifest's limits with the operator's in their place.
///
/// # Errors
/// Which one cannot be read.
pub(crate) fn limits(base: &Limits, over: Option<&PluginLimits>) -> Result<Limits, String> {
    let mut limits = base.clone();
    let Some(over) = over else { return Ok(limits) };
    let time = |name: &str, text: &str| {
        Time::parse(text)
            .filter(|time| !time.0.is_zero())
            .ok_or_else(|| format!("spec.limits.{name}: {text:?} is no duration (write 200ms)"))
    };
    if let Some(text) = &over.memory {
        limits.memory = Bytes::parse(text)
            .ok_or_else(|| format!("spec.limits.memory: {text:?} is no size (write 64Mi)"))?;
    }
    if let Some(text) = &over.cpu {
        limits.cpu = time("cpu", text)?;
    }
    if let Some(text) = &over.wall {
        limits.wall = time("wall", text)?;
    }
    let number = |slot: &mut u32, value: Option<u32>| *slot = value.unwrap_or(*slot);
    limits.concurrency = over.concurrency.filter(|n| *n > 0).unwrap_or(limits.concurrency);
    number(&mut limits.api_per_reconcile, over.api_per_reconcile);
    number(&mut limits.api_per_second, over.api_per_second);
    number(&mut limits.log_lines, over.log_lines);
    number(&mut limits.events, over.events);
    number(&mut limits.http_requests, over.http_requests);
    limits.check().map_err(|error| format!("spec.limits: {error}"))?;
    Ok(limits)
}

/// The grants of a Plugin object, as the grants file has them.
///
/// # Errors
/// Which verb, kind or scope cannot be read.
pub(crate) fn entry(grants: Option<&PluginGrants>) -> Result<Entry, String> {
    let Some(grants) = grants else { return Ok(Entry::default()) };
    let allow = match grants.allow {
        CrdAllow::ReadOnly => Allow::ReadOnly,
        CrdAllow::Requested => Allow::Requested,
    };
    let kube = grants.kube.iter().enumerate().map(|(index, rule)| {
        let place = |what: String| format!("spec.grants.kube[{index}]: {what}");
        let verb = |text: &String| {
            text.parse().map_err(|error: joch_core::grant::InvalidVerb| place(error.to_string()))
        };
        let kind = |text: &String| {
            text.parse().map_err(|error: joch_core::object::InvalidKind| place(error.to_string()))
        };
        Ok(KubeRule {
            verbs: rule.verbs.iter().map(verb).collect::<Result<_, String>>()?,
            kinds: rule.kinds.iter().map(kind).collect::<Result<_, String>>()?,
            subresources: rule.subresources.clone(),
            namespaces: namespaces(rule.scope, &rule.namespaces).map_err(place)?,
            required: true,
        })
    });
    let secrets = grants.secrets.iter().enumerate().map(|(index, rule)| {
        let place = |what: String| format!("spec.grants.secrets[{index}]: {what}");
        Ok(SecretRule {
            names: rule.names.clone(),
            namespaces: namespaces(rule.scope, &rule.namespaces).map_err(place)?,
            hosts: hosts(&rule.hosts).map_err(place)?,
            reveal: rule.reveal,
            required: true,
        })
    });
    let http = grants.http.iter().enumerate().map(|(index, rule)| {
        let place = |what: String| format!("spec.grants.http[{index}]: {what}");
        Ok(HttpRule {
            hosts: hosts(&rule.hosts).map_err(place)?,
            methods: rule.methods.clone(),
            required: true,
        })
    });
    let jobs = grants.jobs.as_ref().map(|jobs| JobGrant {
        service_accounts: jobs.service_accounts.clone(),
        secrets: match jobs.secrets {
            JobSecrets::None => SecretUse::None,
            JobSecrets::SameNamespace => SecretUse::SameNamespace,
        },
        images: jobs.images.clone(),
        profile: match jobs.profile {
            PodProfile::Restricted => Profile::Restricted,
            PodProfile::Baseline => Profile::Baseline,
        },
        max_active: jobs.max_active,
    });
    let entry = Entry {
        allow,
        dangerous: grants.dangerous,
        kube: kube.collect::<Result<_, String>>()?,
        jobs,
        http: http.collect::<Result<_, String>>()?,
        secrets: secrets.collect::<Result<_, String>>()?,
    };
    entry.check().map_err(|error| format!("spec.grants: {error}"))?;
    Ok(entry)
}

fn hosts(patterns: &[String]) -> Result<Vec<HostPattern>, String> {
    let read = |text: &String| text.parse().map_err(|error: InvalidPattern| error.to_string());
    patterns.iter().map(read).collect()
}

fn namespaces(scope: GrantScope, listed: &[String]) -> Result<Namespaces, String> {
    match (scope, listed) {
        (GrantScope::Same, []) => Ok(Namespaces::Same),
        (GrantScope::All, []) => Ok(Namespaces::All),
        (GrantScope::Cluster, []) => Ok(Namespaces::Cluster),
        (GrantScope::Listed, []) => Err("scope listed needs namespaces".to_owned()),
        (GrantScope::Listed, names) => Ok(Namespaces::Listed(names.to_vec())),
        (_, _) => Err("namespaces go with scope listed only".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use joch_core::grant::Verb;
    use joch_crds::joch::KubeGrant;

    use super::*;

    #[test]
    fn grants_of_an_object_are_those_of_a_grants_file() {
        let kube = KubeGrant {
            verbs: vec!["get".into(), "patch".into()],
            kinds: vec!["v1/ConfigMap".into()],
            scope: GrantScope::Listed,
            namespaces: vec!["a".into()],
            ..KubeGrant::default()
        };
        let grants = PluginGrants { kube: vec![kube.clone()], ..PluginGrants::default() };
        let read = entry(Some(&grants)).unwrap();
        assert_eq!(read.kube[0].verbs, [Verb::Get, Verb::Patch]);
        assert_eq!(read.kube[0].namespaces, Namespaces::Listed(vec!["a".into()]));
        assert_eq!(entry(None).unwrap(), Entry::default());

        let wrong = |change: fn(&mut KubeGrant)| {
            let mut kube = kube.clone();
            change(&mut kube);
            entry(Some(&PluginGrants { kube: vec![kube], ..PluginGrants::default() })).unwrap_err()
        };
        for (error, part) in [
            (wrong(|kube| kube.verbs = vec!["look".into()]), "\"look\""),
            (wrong(|kube| kube.kinds = vec!["ConfigMap".into()]), "\"ConfigMap\""),
            (wrong(|kube| kube.scope = GrantScope::All), "scope listed"),
            (wrong(|kube| kube.namespaces = vec![]), "needs namespaces"),
        ] {
            assert!(error.contains("spec.grants.kube[0]") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn limits_of_an_object_take_the_place_of_the_manifests() {
        let base = Limits::default();
        let over = PluginLimits {
            memory: Some("8Mi".into()),
            wall: Some("5s".into()),
            log_lines: Some(0),
            ..PluginLimits::default()
        };
        let merged = limits(&base, Some(&over)).unwrap();
        assert_eq!(merged.memory, Bytes(8 << 20));
        assert_eq!(merged.wall.0.as_secs(), 5);
        assert_eq!((merged.log_lines, merged.cpu), (0, base.cpu));
        let wrong = PluginLimits { cpu: Some("0ms".into()), ..PluginLimits::default() };
        assert!(limits(&base, Some(&wrong)).unwrap_err().contains("spec.limits.cpu"));
    }
}
