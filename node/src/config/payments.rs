//! What `run` is told about payments.

use std::net::IpAddr;

use http::Uri;

use super::{
    Refused,
    setting::{PROVIDER, STRIPE_BASE, STRIPE_PUBLISHABLE, STRIPE_SECRET, STRIPE_WEBHOOK, Setting, Values},
};
use crate::payments::{Secret, Settings, StripeSettings};

/// Longest key, in bytes; Stripe's have about 110.
const KEY_MAX: usize = 255;

pub(super) fn read(values: &Values<'_>) -> Result<Settings, Refused> {
    let is_stripe = values.require(PROVIDER, |text| match text.to_ascii_lowercase().as_str() {
        "simulated" => Ok(false),
        "stripe" => Ok(true),
        _ => Err("must be simulated or stripe"),
    })?;
    let base = values.require(STRIPE_BASE, base)?;
    let webhook_secret = secret(values, STRIPE_WEBHOOK, &["whsec_"])?;
    let (secret_key, publishable_key) =
        (secret(values, STRIPE_SECRET, &["sk_", "rk_"])?, secret(values, STRIPE_PUBLISHABLE, &["pk_"])?);
    if !is_stripe {
        return Ok(Settings::Simulated);
    }
    let needed = |key: Option<String>, setting: Setting, form: &str| {
        key.ok_or_else(|| {
            let name = setting.variable;
            Refused::plain(format!("{name} is not set: PAYMENT_PROVIDER=stripe needs it, {form}"))
        })
    };
    Ok(Settings::Stripe(StripeSettings {
        secret_key: Secret::new(needed(secret_key, STRIPE_SECRET, "a key like sk_live_…")?),
        publishable_key: needed(publishable_key, STRIPE_PUBLISHABLE, "a key like pk_live_…")?,
        webhook_secret: webhook_secret.map(Secret::new),
        base,
    }))
}

/// A key or secret. What is wrong with it is said without repeating it.
fn secret(values: &Values<'_>, setting: Setting, prefixes: &[&str]) -> Result<Option<String>, Refused> {
    let Some(text) = values.text(setting) else { return Ok(None) };
    let fits = text.len() <= KEY_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && prefixes.iter().any(|prefix| text.len() > prefix.len() && text.starts_with(prefix));
    if fits {
        return Ok(Some(text.to_owned()));
    }
    let name = values.name(setting);
    Err(Refused::plain(format!("{name} is not a key of Stripe's: must begin with {}", prefixes.join(" or "))))
}

/// Where Stripe's API is.
fn base(text: &str) -> Result<String, &'static str> {
    let allowed = "must be https://host[:port], or http:// with a loopback address";
    let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| allowed)?;
    let host = uri.host().ok_or(allowed)?.trim_matches(['[', ']']);
    let is_bare = uri.path_and_query().is_none_or(|rest| rest.as_str() == "/");
    let is_named = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback()) || host == "localhost";
    match uri.scheme_str() {
        Some("https") if is_bare && is_named => {}
        Some("http") if is_bare && is_named && is_loopback => {}
        _ => return Err(allowed),
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_for_loopback_only() {
        for good in ["https://api.stripe.com", "https://api.stripe.com/", "http://127.0.0.1:12111", "http://[::1]:80"] {
            assert!(base(good).is_ok(), "{good}");
        }
        let bad = [
            "",
            "api.stripe.com",
            "http://api.stripe.com",
            "ftp://127.0.0.1",
            "https://a/v1",
            "https://u@a",
            "https://",
        ];
        for bad in bad {
            assert!(base(bad).is_err(), "{bad}");
        }
    }
}
