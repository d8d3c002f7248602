//! Rules of the repository as tests. Each rule is a pure function over what is found; each is also shown
//! a bad sample, so that none can pass by finding nothing.

mod cases;
mod edges;
mod files;
mod sources;
