//! Who is who: the name that a certificate gives (SPIFFE id), the certificate itself, and the keys that it binds. What a
//! peer says of itself counts for nothing; everything here comes from what the chain's authority signed.
//!
//! [`SpiffeId`] is the name, [`Certified`] a certificate read and checked, [`CaCertificate`] the authority's own,
//! [`RegionAuthority`] that of a hub which signs for its region, [`KeyId`] the short name of an event key.

mod authority;
mod certified;
mod key;
mod kind;
mod region;
mod signature;
mod spiffe;

pub use authority::CaCertificate;
pub(crate) use certified::BACKDATED;
pub use certified::{Certified, EVENT_KEY_URI, REPLACES_URI, Replaced};
pub use key::{KeyId, is_hash_of, key_id};
pub use kind::Kind;
pub use region::RegionAuthority;
pub use signature::{Signed, are_signed, is_signed};
pub use spiffe::{NO_REGION, SpiffeId, chain_name};

/// Why a name or a certificate is not accepted. Shown to operators and logged; holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are no certificate of the shape that the authority makes.
    #[error("not a certificate of a chain: {0}")]
    Malformed(&'static str),
    /// The name is not a SPIFFE id of the chain's form; says which part.
    #[error("\"{id}\" is not an id of the form spiffe://chain/kind/region/number/uuid: {problem}")]
    Id {
        /// The name as found, cut to a length that fits a log line.
        id: String,
        /// Which part is wrong.
        problem: &'static str,
    },
    /// The event key is missing, superfluous or no Ed25519 key.
    #[error("the certificate's event key {0}")]
    EventKey(&'static str),
    /// The authority did not sign it, or not for this use, or not for this time.
    #[error("the authority's signature does not hold: {0}")]
    Signature(webpki::Error),
    /// A region's authority is not one, or signed what it may not.
    #[error("the region's authority {0}")]
    Region(&'static str),
    /// It belongs to another chain.
    #[error("belongs to chain \"{found}\", not \"{expected}\"")]
    OtherChain {
        /// The chain in the certificate.
        found: String,
        /// The own chain.
        expected: String,
    },
}
