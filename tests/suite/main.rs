//! Tests that need neither a cluster nor anything built: the rules of the repository.

mod tidy;
