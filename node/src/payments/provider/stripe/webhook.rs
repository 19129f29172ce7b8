//! Events that Stripe sends. Anybody can call the address, so an event counts only with Stripe's signature; and then it is
//! no more than a reason to ask Stripe how things stand.

use chrono::{DateTime, Utc};
use codepop_shared::Failure;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::payments::Secret;

/// Largest event, in bytes.
const PAYLOAD_MAX: usize = 64 * 1_024;

/// Longest signature header, in bytes; a real one has about 150.
const SIGNATURE_MAX: usize = 2_048;

/// How far the time of an event may be from ours, in seconds: Stripe's own bound.
const TOLERANCE: i64 = 5 * 60;

/// Checks the signature of an event: `t=<seconds>,v1=<hex>[,v1=<hex>]`, each an HMAC-SHA256 over `<seconds>.<payload>`.
///
/// # Errors
/// It is not Stripe's, or too old.
pub(in super::super::super) fn verify(
    secret: &Secret,
    payload: &[u8],
    signature: &str,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let refused = || Failure::invalid("signature", "is not good for this event");
    if payload.len() > PAYLOAD_MAX || signature.len() > SIGNATURE_MAX {
        return Err(refused());
    }
    let parts = || signature.split(',').filter_map(|part| part.trim().split_once('='));
    let at = parts().find(|(name, _)| *name == "t").map(|(_, at)| at).ok_or_else(refused)?;
    let seconds: i64 = at.parse().map_err(|_| refused())?;
    if now.timestamp().abs_diff(seconds) > TOLERANCE.unsigned_abs() {
        return Err(refused());
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).map_err(|_| refused())?;
    mac.update(at.as_bytes());
    mac.update(b".");
    mac.update(payload);
    // `verify_slice` takes the same time whatever is wrong.
    let is_good = |given: &str| hex::decode(given).is_ok_and(|given| mac.clone().verify_slice(&given).is_ok());
    if parts().any(|(name, given)| name == "v1" && is_good(given)) { Ok(()) } else { Err(refused()) }
}

/// The intent that an event is about, when it is about one.
pub(in super::super::super) fn subject(payload: &[u8]) -> Option<String> {
    let event: Value = serde_json::from_slice(payload).ok()?;
    let object = event.get("data")?.get("object")?;
    let named = [object.get("payment_intent"), object.get("id")];
    named.into_iter().flatten().filter_map(Value::as_str).find(|id| id.starts_with("pi_")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(secret: &str, at: i64, payload: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{at}.").as_bytes());
        mac.update(payload);
        format!("t={at},v1={},v0=00", hex::encode(mac.finalize().into_bytes()))
    }

    #[test]
    fn only_what_stripe_signed_just_now_counts() {
        let (secret, now) = (Secret::new("whsec_test"), DateTime::from_timestamp(1_753_000_000, 0).unwrap());
        let at = now.timestamp();
        let good = signed("whsec_test", at, b"{}");
        assert!(verify(&secret, b"{}", &good, now).is_ok());
        assert!(verify(&secret, b"{}", &signed("whsec_test", at - 300, b"{}"), now).is_ok());
        let bad = [
            (b"{}".as_slice(), signed("whsec_other", at, b"{}")),
            (b"{ }", good.clone()),
            (b"{}", signed("whsec_test", at - 301, b"{}")),
            (b"{}", signed("whsec_test", at + 301, b"{}")),
            (b"{}", good.replace(&format!("t={at}"), &format!("t={}", at - 1))),
            (b"{}", format!("t={at}")),
            (b"{}", format!("t={at},v1=")),
            (b"{}", "t=x,v1=00".to_owned()),
            (b"{}", String::new()),
            (b"{}", format!("t={},v1=00", i64::MIN)),
        ];
        for (payload, signature) in bad {
            assert!(verify(&secret, payload, &signature, now).is_err(), "{signature}");
        }
    }

    #[test]
    fn the_intent_is_found() {
        let about = |object: &str| subject(format!(r#"{{"data":{{"object":{object}}}}}"#).as_bytes());
        assert_eq!(about(r#"{"id":"pi_1"}"#).unwrap(), "pi_1");
        assert_eq!(about(r#"{"id":"re_1","payment_intent":"pi_2"}"#).unwrap(), "pi_2");
        assert_eq!(about(r#"{"id":"re_1","payment_intent":null}"#), None);
        assert_eq!(subject(b"no json"), None);
    }
}
