//! The engine with real WebAssembly: what loads, what a guest can do, and what it cannot do to others.

mod figures;
mod guest;
mod hostile;
mod load;
mod session;
mod speaks;
