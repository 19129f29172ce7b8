//! The request file: JSON that a person can read and send by any means, because nothing in it is secret and every change
//! to its keys breaks a signature.

use std::{fs, path::Path};

use ed25519_dalek::{Signature, VerifyingKey};
use rcgen::{CertificateSigningRequestParams, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SanType};
use rustls_pki_types::{CertificateSigningRequestDer, pem::PemObject as _};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, KeyMaterial, RegionKey, keys::UUID_URI, region::REGION_OF_URI};
use crate::{
    files::{replace, write_new},
    identity::{EVENT_KEY_URI, Kind, NO_REGION},
};

/// The request's file under the data directory.
pub const REQUEST_FILE: &str = "request.json";

/// The one version of the file's form.
const VERSION: u32 = 1;

/// Largest request that is read; real ones have about 1 KiB.
const FILE_MAX: u64 = 64 * 1024;

/// Longest name for people, as in the plan's tables (Task 0.1).
const NAME_MAX: usize = 200;

/// A request for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRequest {
    /// Version of the file's form.
    pub version: u32,
    /// What asks.
    pub kind: Kind,
    /// The asker's UUID.
    pub uuid: Uuid,
    /// Name for people, 1 to 200 characters.
    pub name: String,
    /// Code of the region; `-` for gateways.
    pub region: String,
    /// The signing request (PKCS #10) of the TLS key, PEM.
    pub csr_pem: String,
    /// The event key, 64 hexadecimal digits; none for gateways.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event_public_key: Option<String>,
    /// The event key's signature over the signing request's bytes, hexadecimal; none for gateways.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub proof: Option<String>,
    /// The signing request (PKCS #10) of a hub's key for its region, PEM; hubs of older programs have none, others never.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region_csr_pem: Option<String>,
    /// The event key's signature over the bytes of that one, hexadecimal: nobody slips in another's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region_proof: Option<String>,
}

impl CertificateRequest {
    /// Makes a request with these keys.
    ///
    /// # Errors
    /// A field is not allowed, or the request can't be signed.
    pub fn make(keys: &KeyMaterial, kind: Kind, uuid: Uuid, name: &str, region: &str) -> Result<Self, Error> {
        let csr = keys.csr(uuid)?;
        let request = Self {
            version: VERSION,
            kind,
            uuid,
            name: name.to_owned(),
            region: region.to_owned(),
            csr_pem: csr_pem(&csr)?,
            event_public_key: keys.event_key().map(|key| hex::encode(key.as_bytes())),
            proof: keys.proof(&csr).map(hex::encode),
            region_csr_pem: None,
            region_proof: None,
        };
        request.verify()?;
        Ok(request)
    }

    /// The same request, of a hub that asks for the authority of its region too.
    ///
    /// # Errors
    /// It is no hub's, the keys are not those of the request, or the signing request can't be made.
    pub fn asking_for_region(self, keys: &KeyMaterial, region: &RegionKey) -> Result<Self, Error> {
        let csr = region.csr(self.uuid)?;
        let region_csr_pem = Some(csr_pem(&csr)?);
        let request = Self { region_csr_pem, region_proof: keys.proof(&csr).map(hex::encode), ..self };
        request.verify()?;
        Ok(request)
    }

    /// Whether it asks for the authority of its region with this key.
    pub(super) fn asks_for_region_with(&self, key: &RegionKey) -> bool {
        self.region_csr().ok().flatten().is_some_and(|csr| csr.public_key == key.public())
    }

    /// Reads a request file and verifies it.
    ///
    /// # Errors
    /// It can't be read, is not of the known form, or its proofs don't hold.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        if fs::metadata(path).map_err(failed)?.len() > FILE_MAX {
            return Err(Error::Invalid(format!("{} is longer than 64 KiB", path.display())));
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let request: Self = serde_json::from_str(&text).map_err(|e| Error::Invalid(e.to_string()))?;
        request.verify()?;
        Ok(request)
    }

    /// Writes the request to a new file.
    ///
    /// # Errors
    /// The file exists already, or can't be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        write_new(path, self.text()?.as_bytes()).map_err(|source| Error::File { path: path.to_owned(), source })
    }

    /// Puts the request in the place of an older one.
    ///
    /// # Errors
    /// The file can't be written.
    pub(super) fn replace(&self, path: &Path) -> Result<(), Error> {
        replace(path, self.text()?.as_bytes()).map_err(|source| Error::File { path: path.to_owned(), source })
    }

    fn text(&self) -> Result<String, Error> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::Invalid(e.to_string()))?;
        Ok(text + "\n")
    }

    /// Checks the fields, the signing request's own signature, that it names this UUID and event key, and the event
    /// key's proof. Returns the signing request's bytes and the event key.
    ///
    /// # Errors
    /// Says which of it does not hold.
    pub fn verify(&self) -> Result<(Vec<u8>, Option<VerifyingKey>), Error> {
        self.check_fields().map_err(|problem| Error::Invalid(problem.to_owned()))?;
        let csr = self.own_csr()?;
        let invalid = |problem: &str| Error::Invalid(problem.to_owned());
        let key = self.proven_event_key(&csr.der, self.proof.as_deref()).map_err(invalid)?;
        self.verified_region()?;
        Ok((csr.der, key))
    }

    /// The bytes of the signing request for the authority of the hub's region, if it asks for that, after checking it as
    /// [`CertificateRequest::verify`] does.
    ///
    /// # Errors
    /// Says what of it does not hold.
    pub fn verified_region(&self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.region_csr()?.map(|csr| csr.der))
    }

    fn own_csr(&self) -> Result<Csr, Error> {
        let mut names = vec![format!("{UUID_URI}{}", self.uuid)];
        names.extend(self.event_public_key.iter().map(|key| format!("{EVENT_KEY_URI}{key}")));
        proven_csr(&self.csr_pem, &names)
    }

    fn region_csr(&self) -> Result<Option<Csr>, Error> {
        let invalid = |problem: &str| Error::Invalid(format!("for the region: {problem}"));
        let (pem, proof) = match (&self.region_csr_pem, &self.region_proof) {
            (None, None) => return Ok(None),
            (Some(pem), Some(proof)) if self.kind == Kind::Hub => (pem, proof),
            _ => return Err(invalid("region_csr_pem and region_proof are for hubs alone, and both of them")),
        };
        let csr = proven_csr(pem, &[format!("{REGION_OF_URI}{}", self.uuid)])?;
        self.proven_event_key(&csr.der, Some(proof)).map_err(invalid)?;
        if csr.public_key == self.own_csr()?.public_key {
            return Err(invalid("the key must be another than the TLS key"));
        }
        Ok(Some(csr))
    }

    fn check_fields(&self) -> Result<(), &'static str> {
        let region_ok = (1..=10).contains(&self.region.len()) && self.region.bytes().all(|b| b.is_ascii_alphanumeric());
        let length = self.name.chars().count();
        if self.version != VERSION {
            Err("the version must be 1")
        } else if self.kind == Kind::Operator {
            Err("operators are certified by `pki init`")
        } else if self.uuid.is_nil() {
            Err("the uuid must not be nil")
        } else if length == 0 || length > NAME_MAX || self.name.chars().any(char::is_control) {
            Err("the name must be 1 to 200 printable characters")
        } else if self.kind.is_node() && !region_ok {
            Err("the region must be 1 to 10 letters or digits")
        } else if !self.kind.is_node() && self.region != NO_REGION {
            Err("the region of a gateway must be -")
        } else {
            Ok(())
        }
    }

    fn proven_event_key(&self, csr: &[u8], proof: Option<&str>) -> Result<Option<VerifyingKey>, &'static str> {
        let (key, proof) = match (&self.event_public_key, proof) {
            (None, None) if !self.kind.signs_events() => return Ok(None),
            (Some(key), Some(proof)) if self.kind.signs_events() => (key, proof),
            _ => return Err("event_public_key and proof must be there for stores and hubs, and for them alone"),
        };
        let (mut key_bytes, mut proof_bytes) = ([0; 32], [0; 64]);
        hex::decode_to_slice(key, &mut key_bytes).map_err(|_| "event_public_key must be 64 hexadecimal digits")?;
        hex::decode_to_slice(proof, &mut proof_bytes).map_err(|_| "proof must be 128 hexadecimal digits")?;
        let key = VerifyingKey::from_bytes(&key_bytes).map_err(|_| "event_public_key is no Ed25519 key")?;
        key.verify_strict(csr, &Signature::from_bytes(&proof_bytes))
            .map_err(|_| "the event key's proof does not hold")?;
        Ok(Some(key))
    }
}

/// A signing request that was read.
struct Csr {
    der: Vec<u8>,
    public_key: Vec<u8>,
}

/// A signing request, if its own signature holds and it is for exactly these names.
fn proven_csr(pem: &str, names: &[String]) -> Result<Csr, Error> {
    let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| Error::Invalid("there is no PEM signing request".to_owned()))?;
    let parsed = CertificateSigningRequestParams::from_der(&der)
        .map_err(|e| Error::Invalid(format!("the signing request does not hold: {e}")))?;
    if *parsed.public_key.algorithm() != PKCS_ECDSA_P256_SHA256 {
        return Err(Error::Invalid("the key must be ECDSA P-256".to_owned()));
    }
    let found: Vec<_> = parsed.params.subject_alt_names.iter().map(uri).collect();
    if found != names.iter().map(|name| Some(name.as_str())).collect::<Vec<_>>() {
        return Err(Error::Invalid("the signing request is for another uuid or event key".to_owned()));
    }
    Ok(Csr { der: der.to_vec(), public_key: parsed.public_key.der_bytes().to_vec() })
}

fn uri(name: &SanType) -> Option<&str> {
    match name {
        SanType::URI(uri) => Some(uri.as_str()),
        _ => None,
    }
}

fn csr_pem(der: &[u8]) -> Result<String, Error> {
    use ed25519_dalek::pkcs8::spki::der::pem::{LineEnding, encode_string};
    encode_string("CERTIFICATE REQUEST", LineEnding::LF, der).map_err(|e| Error::Keys(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: Kind, region: &str) -> CertificateRequest {
        let keys = KeyMaterial::generate(kind.signs_events()).unwrap();
        CertificateRequest::make(&keys, kind, Uuid::now_v7(), "Name", region).unwrap()
    }

    #[test]
    fn a_file_survives_the_round_trip() {
        let dir = tempfile::tempdir().unwrap();
        for (kind, region) in [(Kind::Store, "C"), (Kind::Gateway, "-")] {
            let (path, made) = (dir.path().join(kind.word()), request(kind, region));
            made.write(&path).unwrap();
            assert_eq!(CertificateRequest::read(&path).unwrap(), made);
            assert!(made.write(&path).is_err(), "nothing is overwritten");
        }
    }

    #[test]
    fn what_was_changed_is_refused() {
        let (good, other) = (request(Kind::Store, "C"), request(Kind::Store, "C"));
        let bad = [
            CertificateRequest { version: 2, ..good.clone() },
            CertificateRequest { kind: Kind::Operator, ..good.clone() },
            CertificateRequest { kind: Kind::Gateway, region: "-".to_owned(), ..good.clone() },
            CertificateRequest { uuid: Uuid::now_v7(), ..good.clone() },
            CertificateRequest { name: String::new(), ..good.clone() },
            CertificateRequest { name: "a\nb".to_owned(), ..good.clone() },
            CertificateRequest { region: "-".to_owned(), ..good.clone() },
            CertificateRequest { csr_pem: other.csr_pem.clone(), ..good.clone() },
            CertificateRequest { csr_pem: String::new(), ..good.clone() },
            CertificateRequest { event_public_key: None, proof: None, ..good.clone() },
            CertificateRequest { event_public_key: other.event_public_key.clone(), ..good.clone() },
            CertificateRequest { proof: other.proof.clone(), ..good.clone() },
        ];
        for request in bad {
            assert!(request.verify().is_err(), "{request:?}");
        }
    }

    #[test]
    fn a_hub_asks_for_its_region_with_a_key_of_its_own() {
        let keys = KeyMaterial::generate(true).unwrap();
        let ask = |kind, region: &RegionKey| {
            let made = CertificateRequest::make(&keys, kind, Uuid::from_u128(1), "Name", "C").unwrap();
            made.asking_for_region(&keys, region)
        };
        let [key, other] = [0, 1].map(|_| RegionKey::generate().unwrap());
        let good = ask(Kind::Hub, &key).unwrap();
        assert!(good.asks_for_region_with(&key) && !good.asks_for_region_with(&other));
        assert!(ask(Kind::Store, &key).is_err(), "stores sign for nobody");
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(crate::request::REGION_KEY_FILE), keys.tls_pem()).unwrap();
        assert!(ask(Kind::Hub, &RegionKey::load_or_generate(dir.path()).unwrap()).is_err(), "its own TLS key");
        let another = ask(Kind::Hub, &other).unwrap();
        let stranger = request(Kind::Hub, "C").asking_for_region(&KeyMaterial::generate(true).unwrap(), &key);
        assert!(stranger.is_err(), "another event key");
        for bad in [
            CertificateRequest { region_csr_pem: another.region_csr_pem, ..good.clone() },
            CertificateRequest { region_proof: another.region_proof, ..good.clone() },
            CertificateRequest { region_proof: None, ..good.clone() },
            CertificateRequest { region_csr_pem: None, ..good.clone() },
            CertificateRequest {
                region_csr_pem: Some(good.csr_pem.clone()),
                region_proof: good.proof.clone(),
                ..good.clone()
            },
            CertificateRequest { kind: Kind::Store, ..good.clone() },
        ] {
            assert!(bad.verify().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn unknown_fields_and_long_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        let text = serde_json::to_string(&request(Kind::Hub, "C")).unwrap();
        fs::write(&path, text.replacen('{', "{\"admin\":true,", 1)).unwrap();
        assert!(CertificateRequest::read(&path).is_err());
        fs::write(&path, text + &" ".repeat(70_000)).unwrap();
        assert!(CertificateRequest::read(&path).is_err());
    }
}
