//! The command line `joch`, also installed as `kubectl-joch`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    joch_cli::main()
}
