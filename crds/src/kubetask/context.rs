//! Contexts: the files that an agent finds in its container.

use serde::{Deserialize, Serialize};

#[cfg(feature = "generate")]
use schemars::JsonSchema;

/// What Kubernetes can mount: a path without a colon.
#[cfg(feature = "generate")]
pub(super) const MOUNTABLE: &str = "^[^:]*$";

/// The most contexts of one list.
#[cfg(feature = "generate")]
pub(super) const MAX_CONTEXTS: usize = 1000;
/// The name of an object: no other can exist.
#[cfg(feature = "generate")]
pub(super) const NAME: &str = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";

/// One input of a Task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct Context {
    /// Type of context.
    #[serde(rename = "type")]
    pub kind: ContextType,
    /// The file or directory, for type File.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileContext>,
}

/// Types of context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub enum ContextType {
    /// A file, or a directory of files.
    #[default]
    File,
    /// A type that this version does not know.
    #[serde(other)]
    #[cfg_attr(feature = "generate", schemars(skip))]
    Unknown,
}

/// A file with given content, or a directory made from a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct FileContext {
    /// Where the file is mounted; with inline or configMapKeyRef. Several contexts for one path become one file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(length(max = 4096), extend("pattern" = MOUNTABLE)))]
    pub file_path: Option<String>,
    /// Where the directory is mounted; with configMapRef.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(length(max = 4096), extend("pattern" = MOUNTABLE)))]
    pub dir_path: Option<String>,
    /// Where the content comes from.
    pub source: FileSource,
}

/// Where the content of a file or directory comes from: one of three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct FileSource {
    /// The content itself. A ConfigMap holds 1 MiB in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(length(max = 1_048_576)))]
    pub inline: Option<String>,
    /// The value of one key of a ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyReference>,
    /// A whole ConfigMap: every key becomes a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ConfigMapReference>,
}

/// One key of a ConfigMap in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct ConfigMapKeyReference {
    /// Name of the ConfigMap.
    #[cfg_attr(feature = "generate", schemars(length(max = 253)))]
    pub name: String,
    /// Key in the ConfigMap.
    #[cfg_attr(feature = "generate", schemars(length(max = 253)))]
    pub key: String,
    /// Leave the context out if the ConfigMap or the key is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A ConfigMap in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct ConfigMapReference {
    /// Name of the ConfigMap.
    #[cfg_attr(feature = "generate", schemars(length(max = 253)))]
    pub name: String,
    /// Mount an empty directory if the ConfigMap is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}
