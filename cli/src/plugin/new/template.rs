//! The files of a new project: texts with placeholders, and what a language's example has that serves every
//! controller in it.

use anyhow::{Context as _, ensure};

use super::language::{COMMON, Example, Kit, WIT};
use super::names::Names;
use super::sdk::Sdk;

/// A file's path and text.
type File = (String, String);

/// A project on the SDK.
pub(super) fn on_sdk(kit: &Kit, sdk: &Sdk, names: &Names) -> anyhow::Result<Vec<File>> {
    let own = [("sdk", sdk.folder.clone()), ("limits", String::new()), ("notes", String::new())];
    let mut files = filled(kit, names, own)?;
    files.extend(sdk.lock.clone().map(|lock| ("Cargo.lock".to_owned(), lock)));
    Ok(files)
}

/// A project in a language without SDK: on its example's files, and the interfaces.
pub(super) fn on_example(kit: &Kit, example: &Example, names: &Names) -> anyhow::Result<Vec<File>> {
    let limits = from_line(example.manifest, "[limits]")?;
    let notes = from_line(example.readme, "## What is different in ")?;
    let own = [("limits", format!("\n{limits}")), ("notes", format!("\n{notes}"))];
    let mut files = filled(kit, names, own)?;
    for (path, text) in example.files {
        // Copied, with the project's name and its own interfaces; `{{` is theirs there.
        let text = text.replace(example.name, names.plugin()).replace("../../wit", "wit");
        files.push(((*path).to_owned(), text));
    }
    files.extend(WIT.map(|(path, text)| (path.to_owned(), text.to_owned())));
    Ok(files)
}

/// The files with placeholders, common ones and the language's; `own` are values besides the names.
fn filled<const N: usize>(
    kit: &Kit,
    names: &Names,
    own: [(&'static str, String); N],
) -> anyhow::Result<Vec<File>> {
    let mut values = names.values();
    values.extend(own);
    for (name, value) in [("test", kit.test), ("source", kit.source), ("files", kit.rows)] {
        values.push((name, value.to_owned()));
    }
    let texts = COMMON.iter().chain(kit.files);
    texts.map(|(path, text)| Ok((fill(path, &values)?, fill(text, &values)?))).collect()
}

/// A text from the first line on that begins so.
fn from_line<'a>(text: &'a str, begin: &str) -> anyhow::Result<&'a str> {
    let cut = text.match_indices(begin).filter_map(|(at, _)| text.split_at_checked(at));
    let mut lines = cut.filter(|(before, _)| before.is_empty() || before.ends_with('\n'));
    let (_, found) = lines.next().with_context(|| format!("no line begins {begin:?} in {text}"))?;
    Ok(found)
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

    #[test]
    fn a_part_begins_at_its_line() {
        let text = "of [limits]\n[limits]\ncpu\n";
        assert_eq!(from_line(text, "[limits]").unwrap(), "[limits]\ncpu\n");
        assert!(from_line("of [limits]\n", "[limits]").is_err());
    }
}
