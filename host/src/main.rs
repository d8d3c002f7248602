//! The controller host: reads its flags and runs; everything else is in the crates below.
fn main() {}
