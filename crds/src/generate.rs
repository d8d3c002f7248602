//! Custom resource definitions made from the types.

mod structural;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{joch, kubetask, meta::Resource};

/// What a definition says besides the schema.
pub trait CustomResource: Resource {
    /// Type of `spec`.
    type Spec: JsonSchema;
    /// Type of `status`.
    type Status: JsonSchema;
    /// One sentence, for `kubectl explain`.
    const DESCRIPTION: &'static str;
    /// Names in URLs and on the command line.
    const NAMES: Names;
    /// Whether objects live in namespaces.
    const NAMESPACED: bool = true;
    /// Whether an object without `spec` is refused.
    const SPEC_REQUIRED: bool;
    /// Columns of `kubectl get`.
    const COLUMNS: &'static [Column];
    /// Fields that field selectors may name.
    const SELECTABLE: &'static [&'static str] = &[];
    /// CEL rules on the whole object.
    const RULES: &'static [Rule] = &[];
}

/// Names in URLs and on the command line.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// Plural, as in URLs.
    pub plural: &'static str,
    /// Singular.
    pub singular: &'static str,
    /// Short names.
    pub short: &'static [&'static str],
}

/// One column of `kubectl get`.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    name: &'static str,
    kind: &'static str,
    path: &'static str,
    wide: bool,
}

impl Column {
    /// Time since creation.
    pub const AGE: Self = Self::new("Age", "date", ".metadata.creationTimestamp");

    /// A column that is always shown.
    #[must_use]
    pub const fn new(name: &'static str, kind: &'static str, path: &'static str) -> Self {
        Self { name, kind, path, wide: false }
    }

    /// A column that is shown with `-o wide`.
    #[must_use]
    pub const fn wide(name: &'static str, kind: &'static str, path: &'static str) -> Self {
        Self { name, kind, path, wide: true }
    }

    fn to_value(self) -> Value {
        let column = json!({"name": self.name, "type": self.kind, "jsonPath": self.path});
        if self.wide { with(column, "priority", json!(1)) } else { column }
    }
}

/// A CEL rule on the whole object. A rule that names `oldSelf` holds for changes only.
#[derive(Clone, Copy, Debug)]
pub struct Rule(RuleKind);

#[derive(Clone, Copy, Debug)]
enum RuleKind {
    Always { rule: &'static str, message: &'static str },
    OnCreate { rule: &'static str, message: &'static str },
    SetOnce { field: &'static str },
}

impl Rule {
    /// A rule with its message.
    #[must_use]
    pub const fn new(rule: &'static str, message: &'static str) -> Self {
        Self(RuleKind::Always { rule, message })
    }

    /// A rule for new objects; those that exist stay writable.
    #[must_use]
    pub const fn on_create(rule: &'static str, message: &'static str) -> Self {
        Self(RuleKind::OnCreate { rule, message })
    }

    /// A field of the status that never changes nor disappears once it is set.
    #[must_use]
    pub const fn set_once(field: &'static str) -> Self {
        Self(RuleKind::SetOnce { field })
    }

    fn to_value(self) -> Value {
        match self.0 {
            RuleKind::Always { rule, message } => json!({"rule": rule, "message": message}),
            RuleKind::OnCreate { rule, message } => json!({
                "rule": format!("oldSelf.hasValue() || {rule}"),
                "message": message,
                "optionalOldSelf": true,
            }),
            RuleKind::SetOnce { field } => json!({
                "rule": format!(
                    "!has(oldSelf.status) || !has(oldSelf.status.{field}) || (has(self.status) \
                     && has(self.status.{field}) && self.status.{field} == oldSelf.status.{field})"
                ),
                "message": format!("status.{field} never changes once it is set"),
            }),
        }
    }
}

/// Every definition: file name and YAML text.
///
/// # Errors
/// When a definition cannot be written as YAML, which would be a fault of the types.
pub fn all() -> Result<Vec<(String, String)>, serde_norway::Error> {
    Ok(vec![
        file::<joch::Plugin>()?,
        file::<kubetask::Agent>()?,
        file::<kubetask::CronTask>()?,
        file::<kubetask::KubeTaskConfig>()?,
        file::<kubetask::Task>()?,
    ])
}

/// The definition of one kind.
#[must_use]
pub fn definition<K: CustomResource>() -> Value {
    let names = K::NAMES;
    let mut version = json!({
        "name": K::VERSION,
        "served": true,
        "storage": true,
        "additionalPrinterColumns": K::COLUMNS.iter().map(|c| c.to_value()).collect::<Vec<_>>(),
        "schema": {"openAPIV3Schema": schema::<K>()},
        "subresources": {"status": {}},
    });
    if !K::SELECTABLE.is_empty() {
        let paths = K::SELECTABLE.iter().map(|path| json!({"jsonPath": path})).collect();
        version = with(version, "selectableFields", paths);
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{}.{}", names.plural, K::GROUP),
            "labels": {"app.kubernetes.io/part-of": "joch"},
        },
        "spec": {
            "group": K::GROUP,
            "names": {
                "kind": K::KIND,
                "listKind": format!("{}List", K::KIND),
                "plural": names.plural,
                "singular": names.singular,
                "shortNames": names.short,
                "categories": ["joch"],
            },
            "scope": if K::NAMESPACED { "Namespaced" } else { "Cluster" },
            "versions": [version],
        },
    })
}

fn file<K: CustomResource>() -> Result<(String, String), serde_norway::Error> {
    let name = format!("{}_{}.yaml", K::GROUP, K::NAMES.plural);
    let head = "# Generated from the Rust types in crds/src by crdgen. Do not edit.\n";
    Ok((name, format!("{head}{}", serde_norway::to_string(&definition::<K>())?)))
}

fn schema<K: CustomResource>() -> Value {
    let mut root = Map::new();
    root.insert("type".to_owned(), json!("object"));
    root.insert("description".to_owned(), json!(K::DESCRIPTION));
    root.insert(
        "properties".to_owned(),
        json!({
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": of::<K::Spec>(),
            "status": of::<K::Status>(),
        }),
    );
    if K::SPEC_REQUIRED {
        root.insert("required".to_owned(), json!(["spec"]));
    }
    if !K::RULES.is_empty() {
        let rules: Vec<_> = K::RULES.iter().map(|rule| rule.to_value()).collect();
        root.insert("x-kubernetes-validations".to_owned(), json!(rules));
    }
    Value::Object(root)
}

fn of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut value = settings.into_generator().into_root_schema_for::<T>().to_value();
    structural::make(&mut value);
    value
}

fn with(mut value: Value, key: &str, field: Value) -> Value {
    if let Value::Object(map) = &mut value {
        map.insert(key.to_owned(), field);
    }
    value
}
