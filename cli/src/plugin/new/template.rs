//! The files of a new project: texts with placeholders, one folder per language below `templates/`.

use anyhow::ensure;

use super::names::Names;
use super::sdk::Sdk;

/// A file's path and text.
type File = (String, String);

/// The template for Rust.
const RUST: [(&str, &str); 9] = [
    (".gitignore", include_str!("../../../templates/rust/gitignore")),
    ("Cargo.toml", include_str!("../../../templates/rust/Cargo.toml")),
    ("README.md", include_str!("../../../templates/rust/README.md")),
    ("cases/{{singular}}.yaml", include_str!("../../../templates/rust/cases/case.yaml")),
    ("crd.yaml", include_str!("../../../templates/rust/crd.yaml")),
    ("example.yaml", include_str!("../../../templates/rust/example.yaml")),
    ("grants.toml", include_str!("../../../templates/rust/grants.toml")),
    ("plugin.toml", include_str!("../../../templates/rust/plugin.toml")),
    ("src/lib.rs", include_str!("../../../templates/rust/src/lib.rs")),
];

/// A project in Rust.
pub(super) fn rust(names: &Names, sdk: &Sdk) -> anyhow::Result<Vec<File>> {
    let mut values = names.values();
    values.push(("sdk", sdk.folder.clone()));
    let filled = RUST.iter().map(|(path, text)| Ok((fill(path, &values)?, fill(text, &values)?)));
    let mut files = filled.collect::<anyhow::Result<Vec<File>>>()?;
    files.extend(sdk.lock.clone().map(|lock| ("Cargo.lock".to_owned(), lock)));
    Ok(files)
}

/// Puts values in the place of `{{name}}`.
fn fill(text: &str, values: &[(&str, String)]) -> anyhow::Result<String> {
    let mut text = text.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("{{{{{name}}}}}"), value);
    }
    ensure!(!text.contains("{{"), "a template has a placeholder without a value: {text}");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_has_its_value() {
        let values = [("kind", "Banner".to_owned())];
        assert_eq!(fill("a {{kind}}, {{kind}}s", &values).unwrap(), "a Banner, Banners");
        assert!(fill("a {{knid}}", &values).unwrap_err().to_string().contains("{{knid}}"));
    }
}
