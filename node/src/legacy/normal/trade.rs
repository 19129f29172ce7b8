//! Money, orders and payments.

use chrono::{DateTime, TimeDelta, Utc};

use super::clean;
use crate::{
    legacy::rows::{Order, Reason},
    orders::Status,
};

/// How old an open order may be for somebody to be waiting for it still. The old system closed none by itself.
const AWAITED: TimeDelta = TimeDelta::hours(24);

/// How the old system said that an order is paid, or is made again for nothing.
const PAYMENTS: [&str; 5] = ["pending", "paid", "failed", "remade", "refunded"];

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

/// How an order stands, and how its payment does. What is open is made here if somebody may still be waiting for it, and
/// has expired otherwise: nobody could ever close it.
pub(in crate::legacy) fn state(row: &Order, now: DateTime<Utc>, changes: &mut Vec<String>) -> (Status, &'static str) {
    let word = row.payment.trim().to_ascii_lowercase();
    let payment = PAYMENTS.into_iter().find(|known| *known == word).unwrap_or("pending");
    if payment != row.payment {
        changes.push(format!("the payment was \"{}\"; it is {payment}", clean(&row.payment, 50)));
    }
    let said = Status::parse(&row.status);
    if let Some(over) = said.filter(|status| status.is_over()) {
        if over.word() != row.status {
            changes.push(format!("the status was \"{}\"; it is {}", clean(&row.status, 50), over.word()));
        }
        return (over, payment);
    }
    let is_awaited = row.created.is_some_and(|created| created > now - AWAITED);
    if said.is_some() && is_awaited && matches!(payment, "paid" | "remade") {
        changes.push("it was paid and open since less than a day; it is made when the node starts".to_owned());
        return (Status::Processing, payment);
    }
    changes.push(format!(
        "the status was \"{}\"; nobody waits for it any more, so it has expired",
        clean(&row.status, 50)
    ));
    (Status::Expired, payment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(status: &str, payment: &str, hours: i64) -> Order {
        Order {
            id: 1,
            status: status.into(),
            payment: payment.into(),
            pickup: None,
            created: Some(now() - TimeDelta::hours(hours)),
            locker: None,
            stripe: String::new(),
            user: None,
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn open_orders_are_made_or_have_expired() {
        let cases = [
            ("completed", "paid", 1, Status::Completed, 0),
            ("cancelled", "failed", 1, Status::Cancelled, 0),
            ("Completed ", "paid", 1, Status::Completed, 1),
            ("pending", "paid", 1, Status::Processing, 1),
            ("processing", "remade", 23, Status::Processing, 1),
            ("pending", "paid", 25, Status::Expired, 1),
            ("processing", "failed", 1, Status::Expired, 1),
            ("odd", "paid", 1, Status::Expired, 1),
            ("odd", "weird", 1, Status::Expired, 2),
        ];
        for (status, payment, hours, expected, changed) in cases {
            let mut changes = Vec::new();
            let (state, _) = state(&order(status, payment, hours), now(), &mut changes);
            assert_eq!((state, changes.len()), (expected, changed), "{status} {payment} {hours}");
        }
    }

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
