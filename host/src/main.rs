//! The controller host: reads its flags and runs; everything else is in the crates below.

use std::process::ExitCode;

fn main() -> ExitCode {
    joch_runtime::main()
}
