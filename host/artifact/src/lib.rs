//! joch-artifact.
