//! Money, orders and payments.

use crate::legacy::rows::Reason;

/// The largest amount that is believed, in dollars: what is more is a mistake or a forgery.
const DOLLARS_MAX: f64 = 1e9;

/// An amount of the old system, a floating-point number of dollars, to the nearest cent.
pub(in crate::legacy) fn cents(text: &str) -> Result<i64, Reason> {
    let dollars: f64 = text.parse().map_err(|_| "the amount is no number".to_owned())?;
    if !dollars.is_finite() || dollars.abs() > DOLLARS_MAX {
        return Err("the amount is no number, or out of all range".to_owned());
    }
    #[allow(clippy::cast_possible_truncation, reason = "checked just above")]
    Ok((dollars * 100.0).round() as i64)
}

/// The id of a payment, without the secret that the old system kept behind it.
pub(in crate::legacy) fn intent(secret: &str) -> &str {
    let id = secret.split("_secret_").next().unwrap_or_default();
    let fits = id.len() <= 255 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if fits { id } else { "" }
}

/// The combination of a locker with the leading zeros that a number loses; empty when there is none.
pub(in crate::legacy) fn locker(number: Option<&str>) -> String {
    let number = number.and_then(|text| text.parse::<u64>().ok());
    number.map(|number| format!("{number:05}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_not_cut_off() {
        for (text, expected) in
            [("18.88", 1_888), ("4.35", 435), ("5.92", 592), ("-0.5", -50), ("2.5", 250), ("1e2", 10_000)]
        {
            assert_eq!(cents(text), Ok(expected), "{text}");
        }
        for bad in ["", "NaN", "Infinity", "-Infinity", "1e300", "1,5"] {
            assert!(cents(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_stay_behind() {
        assert_eq!(intent("pi_1_2_secret_x"), "pi_1_2");
        assert_eq!(intent("pi_1_2"), "pi_1_2");
        assert_eq!(intent(""), "");
        assert_eq!(intent("pi 1; drop"), "");
    }

    #[test]
    fn lockers_get_their_zeros_back() {
        assert_eq!(locker(Some("42")), "00042");
        assert_eq!(locker(Some("934569")), "934569");
        assert_eq!((locker(None), locker(Some("-1"))), (String::new(), String::new()));
    }
}
