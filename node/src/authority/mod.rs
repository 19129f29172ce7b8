//! The chain's certificate authority as files in a folder: its key, its register of numbers, the operator's keys. Used by
//! the `pki` commands alone; a running node needs none of it but `ca.pem`.
//!
//! [`init`] makes the folder, [`issue`] gives a number and signs; [`operator()`] does so for operators,
//! [`mark`] notes that somebody gets no more; [`Register`] is the list of what was given to whom.

mod init;
mod issue;
mod operator;
mod register;
mod revoke;

pub use init::{Made, init};
pub use issue::{Issue, Issued, Region, issue};
pub use operator::{Certified, operator};
pub use register::{Entry, Register, Revocation};
pub use revoke::{Marked, Whom, mark};

use std::{io, path::PathBuf};

use codepop_shared::{authority, identity, request};

/// The authority's certificate.
pub const CA_FILE: &str = "ca.pem";

/// The authority's private key.
pub const CA_KEY_FILE: &str = "ca.key";

/// The register of numbers.
pub const REGISTER_FILE: &str = "register.json";

/// A holder's certificate.
pub const CERTIFICATE_FILE: &str = "node.pem";

/// Why the authority did nothing. Every message is one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is an authority already, and it is not replaced.
    #[error("{} is already there: nothing was changed", .0.display())]
    Exists(PathBuf),
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file's content is not what it should be.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The register does not allow it.
    #[error("{0}")]
    Register(String),
    /// The request is not valid.
    #[error(transparent)]
    Request(#[from] request::Error),
    /// The certificate can't be made.
    #[error(transparent)]
    Authority(#[from] authority::Error),
    /// The id is not allowed.
    #[error(transparent)]
    Identity(#[from] identity::Error),
}

fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { path, source }
}
