//! Writes the custom resource definitions; by default beside the crate, or into the folder that is given.

use std::{error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    for (name, text) in joch_crds::generate::all()? {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}
