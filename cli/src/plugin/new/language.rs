//! The languages that there are templates for, and what is particular to each.

use clap::ValueEnum;

/// A text of `templates/`.
macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../../templates/", $path))
    };
}

/// A text of the repository's `examples/`.
macro_rules! example {
    ($path:literal) => {
        include_str!(concat!("../../../../examples/", $path))
    };
}

/// A file's path and text.
pub(super) type Text = (&'static str, &'static str);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    Rust,
    Python,
    #[value(name = "javascript")]
    JavaScript,
}

/// What is particular to a language's projects.
#[derive(Debug)]
pub(super) struct Kit {
    /// The command that runs the project's own tests.
    pub(super) test: &'static str,
    /// The file that says what becomes of an object.
    pub(super) source: &'static str,
    /// Rows of the README's table of files.
    pub(super) rows: &'static str,
    /// Files with placeholders.
    pub(super) files: &'static [Text],
    /// The example in this language, unless the SDK takes its place.
    pub(super) example: Option<Example>,
}

/// An example's files that serve every controller in its language.
#[derive(Debug)]
pub(super) struct Example {
    /// Its name, in the place of which a project has its own.
    pub(super) name: &'static str,
    /// Its manifest, for the limits that the language needs.
    pub(super) manifest: &'static str,
    /// Its README, for what is different in the language.
    pub(super) readme: &'static str,
    pub(super) files: &'static [Text],
}

impl Language {
    pub(super) fn kit(self) -> &'static Kit {
        match self {
            Self::Rust => &RUST,
            Self::Python => &PYTHON,
            Self::JavaScript => &JAVASCRIPT,
        }
    }
}

static RUST: Kit = Kit {
    test: "cargo test",
    source: "src/lib.rs",
    rows: template!("rust/files.md"),
    files: &[
        (".gitignore", template!("rust/gitignore")),
        ("Cargo.toml", template!("rust/Cargo.toml")),
        ("src/lib.rs", template!("rust/src/lib.rs")),
    ],
    example: None,
};

static PYTHON: Kit = Kit {
    test: "python3 -m unittest",
    source: "wanted.py",
    rows: template!("python/files.md"),
    files: &[
        (".gitignore", template!("python/gitignore")),
        ("controller.py", template!("python/controller.py")),
        ("test_wanted.py", template!("python/test_wanted.py")),
        ("wanted.py", template!("python/wanted.py")),
    ],
    example: Some(Example {
        name: "python-controller",
        manifest: example!("python-controller/plugin.toml"),
        readme: example!("python-controller/README.md"),
        files: &[
            ("Makefile", example!("python-controller/Makefile")),
            ("joch.py", example!("python-controller/joch.py")),
            ("requirements.txt", example!("python-controller/requirements.txt")),
        ],
    }),
};

static JAVASCRIPT: Kit = Kit {
    test: "node --test",
    source: "wanted.js",
    rows: template!("javascript/files.md"),
    files: &[
        (".gitignore", template!("javascript/gitignore")),
        ("controller.js", template!("javascript/controller.js")),
        ("wanted.js", template!("javascript/wanted.js")),
        ("wanted.test.js", template!("javascript/wanted.test.js")),
    ],
    example: Some(Example {
        name: "javascript-controller",
        manifest: example!("javascript-controller/plugin.toml"),
        readme: example!("javascript-controller/README.md"),
        files: &[
            ("Makefile", example!("javascript-controller/Makefile")),
            ("build.mjs", example!("javascript-controller/build.mjs")),
            ("joch.js", example!("javascript-controller/joch.js")),
            ("package-lock.json", example!("javascript-controller/package-lock.json")),
            ("package.json", example!("javascript-controller/package.json")),
        ],
    }),
};

/// The files of a project in any language.
pub(super) const COMMON: [Text; 6] = [
    ("README.md", template!("common/README.md")),
    ("cases/{{singular}}.yaml", template!("common/cases/case.yaml")),
    ("crd.yaml", template!("common/crd.yaml")),
    ("example.yaml", template!("common/example.yaml")),
    ("grants.toml", template!("common/grants.toml")),
    ("plugin.toml", template!("common/plugin.toml")),
];

/// The interfaces, for projects whose bindings are made from them.
pub(super) const WIT: [Text; 3] = [
    ("wit/controller/controller.wit", include_str!("../../../../wit/controller/controller.wit")),
    ("wit/kube/kube.wit", include_str!("../../../../wit/kube/kube.wit")),
    ("wit/runtime/runtime.wit", include_str!("../../../../wit/runtime/runtime.wit")),
];
