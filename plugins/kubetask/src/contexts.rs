//! Contexts: which files and directories a Task's agent gets, from the Agent's list and the Task's own.
//!
//! Both lists are one, the Agent's first. Files of the same path become one file; of directories of the
//! same path, the Task's takes the place of the Agent's. What upstream ignores in silence is ignored here
//! too, but named.

use std::collections::BTreeMap;

use joch_crds::kubetask::{ConfigMapKeyReference, Context, ContextType, FileContext};

use crate::{
    keys,
    objects::{Agent, Task},
};

/// The contents of ConfigMaps by name, as far as they are needed; none for one that does not exist.
pub type ConfigMaps = BTreeMap<String, Option<BTreeMap<String, String>>>;

/// What is to be mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Files, in the order in which their paths appear first.
    pub files: Vec<File>,
    /// Directories, in the same order.
    pub directories: Vec<Directory>,
    /// What was ignored, and why.
    pub ignored: Vec<String>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it is mounted.
    pub path: String,
    /// Its key in the context ConfigMap.
    pub key: String,
    /// What is in it.
    pub content: String,
}

/// One directory, made of a whole ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Where it is mounted.
    pub path: String,
    /// Name of the ConfigMap.
    pub config_map: String,
    /// Whether the ConfigMap may be missing.
    pub optional: bool,
    of_agent: bool,
}

/// Why contexts cannot be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// Something does not exist: it may yet appear.
    Missing(String),
    /// They contradict each other.
    Invalid(String),
}

/// The ConfigMaps that [`resolve`] asks for, and whether their contents are needed: a directory is
/// mounted by the kubelet, and only has to exist.
#[must_use]
pub fn config_maps(task: &Task, agent: &Agent) -> BTreeMap<String, bool> {
    let mut names = BTreeMap::new();
    for entry in all(task, agent) {
        match entry.meaning() {
            Meaning::File(_, Content::Key(from)) => {
                names.insert(from.name.clone(), true);
            }
            Meaning::Directory(Directory { config_map, optional: false, .. }) => {
                names.entry(config_map).or_insert(false);
            }
            _ => {}
        }
    }
    names
}

/// The files and directories that the Task's agent gets.
///
/// # Errors
/// When a ConfigMap or a key is missing, or two directories of one list have the same place.
pub fn resolve(
    task: &Task,
    agent: &Agent,
    config_maps: &ConfigMaps,
) -> Result<Resolved, Unresolved> {
    let mut resolved = Resolved::default();
    let mut parts: Vec<(String, &str, Vec<&str>)> = Vec::new();
    for entry in all(task, agent) {
        match entry.meaning() {
            Meaning::File(path, content) => {
                let text = match content {
                    Content::Inline(text) => Some(text),
                    Content::Key(from) => look_up(from, config_maps)?,
                };
                match text {
                    Some("") => resolved.ignored.push(entry.because("its content is empty")),
                    Some(text) => {
                        let here = place(path);
                        match parts.iter_mut().find(|(known, ..)| *known == here) {
                            Some((.., texts)) => texts.push(text),
                            None => parts.push((here, path, vec![text])),
                        }
                    }
                    None => {}
                }
            }
            Meaning::Directory(directory) => add(&mut resolved.directories, directory)?,
            Meaning::Nothing(why) => resolved.ignored.push(entry.because(why)),
        }
    }
    for directory in resolved.directories.iter().filter(|directory| !directory.optional) {
        let name = &directory.config_map;
        if config_maps.get(name).is_none_or(Option::is_none) {
            return Err(Unresolved::Missing(not_found(name)));
        }
    }
    for (_, path, texts) in parts {
        let taken: Vec<_> = resolved.files.iter().map(|file| file.key.as_str()).collect();
        let key = keys::key_for(path, &taken);
        resolved.files.push(File { path: path.to_owned(), key, content: join(&texts) });
    }
    Ok(resolved)
}

/// What the kubelet makes of a mount path: absolute, without `.`, `..` and doubled slashes. Two paths of one
/// place cannot both be mounted.
#[must_use]
pub fn place(path: &str) -> String {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// One context and where it stands.
struct Entry<'a> {
    context: &'a Context,
    list: &'static str,
    index: usize,
}

/// What a context asks for.
enum Meaning<'a> {
    File(&'a str, Content<'a>),
    Directory(Directory),
    Nothing(&'static str),
}

enum Content<'a> {
    Inline(&'a str),
    Key(&'a ConfigMapKeyReference),
}

const OF_AGENT: &str = "Agent defaultContexts";
const OF_TASK: &str = "contexts";

fn all<'a>(task: &'a Task, agent: &'a Agent) -> impl Iterator<Item = Entry<'a>> {
    let entries = |list, contexts: &'a [Context]| {
        contexts.iter().enumerate().map(move |(index, context)| Entry { context, list, index })
    };
    entries(OF_AGENT, &agent.spec.default_contexts).chain(entries(OF_TASK, &task.spec.contexts))
}

impl<'a> Entry<'a> {
    /// A directory needs `dirPath` and `configMapRef`, a file `filePath` and one of the other sources;
    /// where both would do, the directory wins, and of a file's sources the inline one.
    fn meaning(&self) -> Meaning<'a> {
        if self.context.kind != ContextType::File {
            return Meaning::Nothing("its type is unknown");
        }
        let Some(FileContext { file_path, dir_path, source }) = &self.context.file else {
            return Meaning::Nothing("it has no file");
        };
        let file_path = file_path.as_deref().filter(|path| !path.is_empty());
        let dir_path = dir_path.as_deref().filter(|path| !path.is_empty());
        if let (Some(path), Some(from)) = (dir_path, &source.config_map_ref) {
            return Meaning::Directory(Directory {
                path: path.to_owned(),
                config_map: from.name.clone(),
                optional: from.optional.unwrap_or_default(),
                of_agent: self.list == OF_AGENT,
            });
        }
        match (file_path, &source.inline, &source.config_map_key_ref) {
            (Some(path), Some(text), _) => Meaning::File(path, Content::Inline(text)),
            (Some(path), None, Some(from)) => Meaning::File(path, Content::Key(from)),
            (Some(_), None, None) => {
                Meaning::Nothing("filePath needs inline or configMapKeyRef as its source")
            }
            (None, ..) if dir_path.is_some() => {
                Meaning::Nothing("dirPath needs configMapRef as its source")
            }
            (None, ..) => Meaning::Nothing("it has no path"),
        }
    }

    fn because(&self, why: &str) -> String {
        format!("{}[{}]: {why}", self.list, self.index)
    }
}

fn look_up<'a>(
    from: &ConfigMapKeyReference,
    config_maps: &'a ConfigMaps,
) -> Result<Option<&'a str>, Unresolved> {
    let ConfigMapKeyReference { name, key, optional } = from;
    let data = config_maps.get(name).and_then(Option::as_ref);
    let missing = match data.map(|data| data.get(key)) {
        Some(Some(text)) => return Ok(Some(text)),
        Some(None) => format!("key {key} not found in ConfigMap {name}"),
        None => not_found(name),
    };
    if optional.unwrap_or_default() { Ok(None) } else { Err(Unresolved::Missing(missing)) }
}

fn not_found(config_map: &str) -> String {
    format!("ConfigMap {config_map} not found")
}

fn add(directories: &mut Vec<Directory>, new: Directory) -> Result<(), Unresolved> {
    match directories.iter_mut().find(|old| place(&old.path) == place(&new.path)) {
        None => directories.push(new),
        Some(old) if old.of_agent && !new.of_agent => *old = new,
        Some(old) => return Err(conflict(&old.path)),
    }
    Ok(())
}

/// Two things are to be mounted at one path.
#[must_use]
pub fn conflict(path: &str) -> Unresolved {
    Unresolved::Invalid(format!("mount path conflict: {path}"))
}

/// One text as it is; several as XML elements with a blank line between them.
fn join(texts: &[&str]) -> String {
    if let [only] = texts {
        return (*only).to_owned();
    }
    let parts: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| format!("<context index=\"{index}\">\n{text}\n</context>"))
        .collect();
    parts.join("\n\n")
}
