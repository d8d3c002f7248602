//! The Plugin resource: where a plugin comes from, what it may do, what is told about it. Each test has
//! a control plane of its own, because Plugin objects belong to the whole cluster.

mod grants;
mod life;
mod modes;
mod probation;
mod sources;
