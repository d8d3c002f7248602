//! joch-runtime.
