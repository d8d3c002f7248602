//! Why a call failed, as an API server would say it.

use std::fmt;

/// Why a call failed. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is no such object.
    NotFound,
    /// An object of that name exists; its uid is given.
    AlreadyExists(String),
    /// The uid or the resource version given is not the object's.
    Stale,
    /// Apply without force: other managers applied other values to these fields (JSON pointers).
    OwnedByOther(Vec<String>),
    /// The content is of no use; the text says why.
    Invalid(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such object"),
            Self::AlreadyExists(uid) => write!(f, "the object exists, with uid {uid}"),
            Self::Stale => f.write_str("the object is another one, or was changed meanwhile"),
            Self::OwnedByOther(fields) => {
                write!(f, "other managers applied {}", fields.join(", "))
            }
            Self::Invalid(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Error {}
