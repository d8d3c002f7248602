//! `joch plugin new`: a project that builds and passes its tests at once.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use joch_core::name::PluginName;
use joch_core::object::Gvk;

use self::language::Language;
use self::names::Names;
use crate::Verdict;

mod language;
mod names;
mod sdk;
mod template;

/// Make a new plugin: a folder with a controller, its kind, an example and its tests
#[derive(Debug, clap::Args)]
pub(crate) struct New {
    /// The plugin's name, and the folder's: a-z, 0-9 and '-', beginning with a letter
    name: PluginName,

    /// The kind that it reconciles, as group/version/Kind; by default made from the name
    #[arg(long, value_name = "KIND", env = "JOCH_KIND", hide_env_values = true)]
    kind: Option<Gvk>,

    /// The language that it is written in
    #[arg(
        long,
        value_name = "LANGUAGE",
        env = "JOCH_LANGUAGE",
        hide_env_values = true,
        default_value = "rust"
    )]
    language: Language,

    /// For Rust, folder of the crate joch-plugin: plugins/sdk of a checkout of Joch; by default of the
    /// one that this program was built from
    #[arg(long, value_name = "DIR", env = "JOCH_SDK", hide_env_values = true)]
    sdk: Option<PathBuf>,
}

pub(super) fn run(new: &New, out: &mut dyn Write) -> anyhow::Result<Verdict> {
    let names = Names::new(&new.name, new.kind.as_ref())?;
    let folder = Path::new(new.name.as_str());
    let kit = new.language.kit();
    let files = match &kit.example {
        None => template::on_sdk(kit, &sdk::find(new.sdk.as_deref())?, &names)?,
        Some(example) => template::on_example(kit, example, &names)?,
    };
    match fs::create_dir(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} exists already: choose another name, or remove it", folder.display())
        }
        Err(error) => bail!("the folder {} cannot be made: {error}", folder.display()),
    }
    for (path, text) in &files {
        let path = folder.join(path);
        let parent = path.parent().context("a file without folder")?;
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| anyhow!("{} cannot be written: {error}", path.display()))?;
    }
    writeln!(out, "{}: a plugin that reconciles {}. Next:", folder.display(), names.kind())?;
    writeln!(out, "  cd {}", folder.display())?;
    writeln!(out, "  {}", kit.test)?;
    writeln!(out, "  joch plugin build")?;
    writeln!(out, "README.md there tells how it goes on.")?;
    Ok(Verdict::Good)
}
