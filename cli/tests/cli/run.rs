//! Runs `joch` in a folder of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A folder in which commands are run, and what they inherit.
pub(crate) struct Place {
    folder: PathBuf,
    /// Removes the folder at the end; none for one that is kept.
    _temporary: Option<TempDir>,
    program: PathBuf,
    variables: Vec<(&'static str, String)>,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut place = Self::at(folder.path());
        place._temporary = Some(folder);
        place
    }

    /// The same, in a folder that is there.
    pub(crate) fn at(folder: &Path) -> Self {
        let program = env!("CARGO_BIN_EXE_joch").into();
        Self { folder: folder.to_owned(), _temporary: None, program, variables: Vec::new() }
    }

    /// The same, under another name of the program.
    pub(crate) fn as_program(name: &str) -> Self {
        let mut place = Self::new();
        let program = place.path().join(name);
        std::fs::hard_link(&place.program, &program).unwrap();
        place.program = program;
        place
    }

    pub(crate) fn with(mut self, variable: &'static str, value: impl AsRef<Path>) -> Self {
        self.variables.push((variable, value.as_ref().to_str().unwrap().to_owned()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    pub(crate) fn joch<S: AsRef<OsStr>>(&self, args: &[S]) -> Ran {
        self.joch_in(".", args)
    }

    pub(crate) fn joch_in<S: AsRef<OsStr>>(&self, folder: &str, args: &[S]) -> Ran {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("JOCH_")) {
            command.env_remove(name);
        }
        command.args(args).current_dir(self.path().join(folder));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Ran {
    /// What was printed by a command that has to do well.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// The one sentence of a command that has to fail.
    #[track_caller]
    pub(crate) fn error(self) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (1, ""), "{self:?}");
        let sentence = self.stderr.lines().last().unwrap_or_default();
        let sentence = sentence.strip_prefix("error: ").unwrap_or_else(|| panic!("{self:?}"));
        sentence.to_owned()
    }
}
