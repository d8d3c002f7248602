//! Where plugins come from: what a component says about itself, the folder it is dropped into, and the
//! cache of what was compiled from it. Nothing here runs a guest's code or knows the engine.

mod cache;
mod entry;
mod folder;
mod package;
mod section;

pub use cache::{CacheBounds, CacheError, CompileCache};
pub use entry::{EntryError, FolderEntry, Found};
pub use folder::{FolderError, FolderOptions, FolderState, FolderWatch};
pub use package::{MAX_FILE, Package, PackageError, with_manifest};
pub use section::{SectionError, manifest_text};
