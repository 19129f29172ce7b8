//! Password hashes: Argon2id for what is made here, Django's PBKDF2 for what was brought over. Computed on a bounded pool,
//! apart from the async threads: one hash takes about 21 ms of a core and 19 MiB.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordVerifier as _, Version,
    password_hash::{Encoding, PasswordHasher as _, SaltString},
};
use codepop_shared::{Code, Failure};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use super::{Password, error::internal};

/// Memory of a new hash, in KiB (19 MiB), with two passes and one lane: OWASP's first choice for Argon2id.
const MEMORY_KIB: u32 = 19 * 1_024;

/// Passes of a new hash.
const PASSES: u32 = 2;

/// Hashes that may wait for a core. On two cores the last one waits about two thirds of a second; more are turned away.
const WAITING_MAX: usize = 64;

/// Most iterations of a Django hash that are computed (Django 6 makes 1.2 million): a hash comes from another node, and
/// a forged one must not keep a core busy for ever.
const PBKDF2_ITERATIONS_MAX: u32 = 2_000_000;

/// Costs of an Argon2 hash above which it is taken for forged: memory in KiB, passes, lanes.
const FOREIGN_COST_MAX: (u32, u32, u32) = (64 * 1_024, 8, 4);

/// What Django's hashes begin with.
const DJANGO: &str = "pbkdf2_sha256$";

/// Computes password hashes, as many at a time as there are cores. Cheap to clone.
#[derive(Clone)]
pub(super) struct Hashing {
    cores: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Hashing {
    /// A pool for this machine.
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { cores: Arc::new(Semaphore::new(cores)), places: Arc::new(Semaphore::new(cores + WAITING_MAX)) }
    }

    /// The hash of a new password, as a PHC string.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when too many wait.
    pub(super) async fn hash(&self, password: &Password) -> Result<String, Failure> {
        let password = password.clone();
        self.run(move || make(&password)).await?.ok_or_else(internal)
    }

    /// Whether the password fits the hash. Without one it computes as long and says no.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when too many wait.
    pub(super) async fn fits(&self, password: &Password, hash: Option<String>) -> Result<bool, Failure> {
        let password = password.clone();
        self.run(move || match hash {
            Some(hash) => check(&password, &hash),
            None => {
                drop(make(&password));
                false
            }
        })
        .await
    }

    async fn run<R: Send + 'static>(&self, compute: impl FnOnce() -> R + Send + 'static) -> Result<R, Failure> {
        let overloaded =
            || Failure::new(Code::Overloaded, "The node checks more passwords than it can. Try again soon.");
        let _place = self.places.try_acquire().map_err(|_| overloaded())?;
        let core = Arc::clone(&self.cores).acquire_owned().await.map_err(|_| internal())?;
        // The core is free again when the work ends, even if nobody waits for it any more.
        let work = tokio::task::spawn_blocking(move || {
            let result = compute();
            drop(core);
            result
        });
        work.await.map_err(|_| internal())
    }
}

impl Default for Hashing {
    fn default() -> Self {
        Self::new()
    }
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn make(password: &Password) -> Option<String> {
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).ok()?;
    argon2()?.hash_password(password.bytes(), &salt).ok().map(|hash| hash.to_string())
}

fn check(password: &Password, hash: &str) -> bool {
    match hash.strip_prefix(DJANGO) {
        Some(django) => check_django(password, django).unwrap_or(false),
        None => check_argon2(password, hash).unwrap_or(false),
    }
}

fn check_argon2(password: &Password, hash: &str) -> Option<bool> {
    let hash = PasswordHash::new(hash).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let (memory, passes, lanes) = FOREIGN_COST_MAX;
    if params.m_cost() > memory || params.t_cost() > passes || params.p_cost() > lanes {
        return None;
    }
    // The algorithm and its parameters are read from the hash.
    Some(Argon2::default().verify_password(password.bytes(), &hash).is_ok())
}

/// `<iterations>$<salt>$<base64 of 32 bytes>`; the salt's characters are the salt.
fn check_django(password: &Password, rest: &str) -> Option<bool> {
    let (iterations, rest) = rest.split_once('$')?;
    let (salt, digest) = rest.split_once('$')?;
    let iterations = iterations.parse().ok().filter(|count| (1..=PBKDF2_ITERATIONS_MAX).contains(count))?;
    let mut expected = [0; 32];
    let decoded = Encoding::B64.decode(digest.trim_end_matches('='), &mut expected).ok()?;
    if decoded.len() != expected.len() {
        return None;
    }
    let mut computed = [0; 32];
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password.bytes(), salt.as_bytes(), iterations, &mut computed);
    Some(computed.ct_eq(&expected).into())
}

/// Whether a hash is of a form that [`Hashing::fits`] can check at all, at a cost that it is ready to pay.
pub(super) fn is_readable(hash: &str) -> bool {
    let Some(rest) = hash.strip_prefix(DJANGO) else { return PasswordHash::new(hash).is_ok() };
    let mut parts = rest.splitn(3, '$');
    let iterations = parts.next().and_then(|count| count.parse().ok());
    let mut digest = [0; 32];
    let sound = |text: &str| Encoding::B64.decode(text.trim_end_matches('='), &mut digest).is_ok_and(|d| d.len() == 32);
    iterations.is_some_and(|count| (1..=PBKDF2_ITERATIONS_MAX).contains(&count))
        && parts.next().is_some_and(|salt| !salt.is_empty())
        && parts.next().is_some_and(sound)
}

/// Whether a hash is weaker than, or another than, what is made today.
pub(super) fn is_outdated(hash: &str) -> bool {
    let today = PasswordHash::new(hash).ok().is_some_and(|hash| {
        let params = Params::try_from(&hash).ok();
        hash.algorithm == argon2::ARGON2ID_IDENT
            && params.is_some_and(|params| params.m_cost() >= MEMORY_KIB && params.t_cost() >= PASSES)
    });
    !today
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A hash as Django stores it.
    pub(in crate::accounts) fn django(password: &str, iterations: u32) -> String {
        let mut digest = [0; 32];
        pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password.as_bytes(), b"seasalt2", iterations, &mut digest);
        let mut buffer = [0; 44];
        format!("pbkdf2_sha256${iterations}$seasalt2${}=", Encoding::B64.encode(&digest, &mut buffer).unwrap())
    }

    fn typed(password: &str) -> Password {
        Password::to_check(password.to_owned())
    }

    #[tokio::test]
    async fn what_was_hashed_fits() {
        let hashing = Hashing::new();
        let hash = hashing.hash(&typed("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hashing.fits(&typed("correct horse"), Some(hash.clone())).await.unwrap());
        assert!(!hashing.fits(&typed("Correct horse"), Some(hash.clone())).await.unwrap());
        assert!(!hashing.fits(&typed("correct horse"), None).await.unwrap());
        assert!(!is_outdated(&hash));
    }

    #[test]
    fn hashes_of_django_fit() {
        // Computed by Python's hashlib: `pbkdf2_hmac("sha256", "lètmein", "seasalt", 20000)`.
        let vector = "pbkdf2_sha256$20000$seasalt$oBSd886ysm3AqYun62DOdin8YcfbU1z9cksZSuLP9r0=";
        assert!(check(&typed("lètmein"), vector));
        assert!(!check(&typed("letmein"), vector));
        assert!(is_outdated(vector));
        assert!(check(&typed("x"), &django("x", 10)));
    }

    #[test]
    fn forged_hashes_fit_nobody_and_cost_nothing() {
        let empty = typed("");
        for forged in [
            "",
            "!",
            "pbkdf2_sha256$",
            "pbkdf2_sha256$1$salt$",
            "pbkdf2_sha256$1$salt$AAAA",
            "pbkdf2_sha256$4000000000$salt$oBSd886ysm3AqYun62DOdin8YcfbU1z9cksZSuLP9r0=",
            "pbkdf2_sha256$-1$salt$oBSd886ysm3AqYun62DOdin8YcfbU1z9cksZSuLP9r0=",
            "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$oBSd886ysm3AqYun62DOdin8YcfbU1z9cksZSuLP9r0",
            "$argon2id$v=19$m=19456,t=4000000,p=1$c2FsdHNhbHQ$oBSd886ysm3AqYun62DOdin8YcfbU1z9cksZSuLP9r0",
            "$md5$abc",
        ] {
            assert!(!check(&empty, forged), "{forged}");
        }
    }
}
