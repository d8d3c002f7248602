//! Where a rule holds.

use std::fmt;

use serde::{Deserialize, Deserializer};

use super::dns_label;

/// In which namespaces a rule holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// The namespace of the object being reconciled.
    Same,
    /// Every namespace.
    All,
    /// Cluster-scoped objects.
    Cluster,
    /// These namespaces.
    Listed(Vec<String>),
}

impl<'de> Deserialize<'de> for Namespaces {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Word(String),
            List(Vec<String>),
        }
        match Form::deserialize(deserializer)? {
            Form::List(names) => Ok(Self::Listed(names)),
            Form::Word(word) => match word.as_str() {
                "same" => Ok(Self::Same),
                "all" => Ok(Self::All),
                "cluster" => Ok(Self::Cluster),
                _ => Err(serde::de::Error::custom(format!(
                    "namespaces = {word:?} (write \"same\", \"all\", \"cluster\" or a list of names)"
                ))),
            },
        }
    }
}

/// One place of those that a rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// The namespace of the object being reconciled.
    Same,
    /// Every namespace.
    All,
    /// Cluster-scoped objects.
    Cluster,
    /// This namespace.
    Named(&'a str),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("the same namespace"),
            Self::All => f.write_str("all namespaces"),
            Self::Cluster => f.write_str("the cluster scope"),
            Self::Named(name) => write!(f, "namespace {name}"),
        }
    }
}

impl Namespaces {
    /// Its places.
    #[must_use]
    pub fn places(&self) -> Vec<Place<'_>> {
        match self {
            Self::Same => vec![Place::Same],
            Self::All => vec![Place::All],
            Self::Cluster => vec![Place::Cluster],
            Self::Listed(names) => names.iter().map(|name| Place::Named(name)).collect(),
        }
    }

    /// Whether everything in that place is within.
    pub(super) fn covers(&self, place: Place<'_>) -> bool {
        self == &Self::All || self.places().contains(&place)
    }

    /// Whether an object of `namespace` is within, for a plugin that reconciles one of `primary`.
    pub(super) fn holds(&self, namespace: Option<&str>, primary: Option<&str>) -> bool {
        match (self, namespace) {
            (Self::All, _) => true,
            (Self::Cluster, namespace) => namespace.is_none(),
            (Self::Same, namespace) => namespace == primary,
            (Self::Listed(names), Some(namespace)) => names.iter().any(|name| name == namespace),
            (Self::Listed(_), None) => false,
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Listed(names) if names.is_empty() => {
                Err("namespaces is an empty list, so it allows nothing".to_owned())
            }
            Self::Listed(names) => names.iter().try_for_each(|name| {
                dns_label(name).map_err(|problem| format!("namespace {name:?} {problem}"))
            }),
            Self::Same | Self::All | Self::Cluster => Ok(()),
        }
    }
}
