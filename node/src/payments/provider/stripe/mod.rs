//! Stripe, over its HTTP API: forms out, JSON back. `connect.rs` dials, `http.rs` calls and judges answers, `webhook.rs`
//! checks what Stripe sends by itself; this file says which call is which.

mod connect;
mod http;
pub(in super::super) mod webhook;

use futures::future::BoxFuture;
use serde_json::Value;
use uuid::Uuid;

use self::http::{Client, Method};
use super::{Fault, Intent, NewIntent, Provider, Refunded, Standing};
use crate::payments::StripeSettings;

/// Its word.
const NAME: &str = "stripe";

/// Refunds in one answer: the most that Stripe gives.
const PAGE: &str = "100";

/// Answers with refunds that are looked through: far more refunds than there are reasons to refund one order.
const PAGES_MAX: usize = 20;

/// Stripe.
pub(in super::super) struct Stripe {
    client: Client,
    publishable_key: String,
}

impl Stripe {
    /// With the operator's keys.
    pub(in super::super) fn new(settings: StripeSettings) -> Self {
        Self { publishable_key: settings.publishable_key, client: Client::new(settings.base, settings.secret_key) }
    }

    async fn post(&self, path: &str, key: &str, form: &[(&str, &str)]) -> Result<Value, Fault> {
        self.client.call(Method::Post { key }, path, form).await
    }

    async fn on_intent(&self, id: &str, step: &str, key: &str, form: &[(&str, &str)]) -> Result<Intent, Fault> {
        read_intent(&self.post(&format!("/v1/payment_intents/{}/{step}", path_part(id)?), key, form).await?)
    }

    async fn look_for(&self, id: &str, refund: Uuid) -> Result<Option<Refunded>, Fault> {
        let (wanted, mut after, mut pending) = (refund.to_string(), None::<String>, None);
        for _ in 0..PAGES_MAX {
            let mut query = vec![("payment_intent", id), ("limit", PAGE)];
            query.extend(after.as_deref().map(|after| ("starting_after", after)));
            let page = self.client.call(Method::Get, "/v1/refunds", &query).await?;
            let refunds = page["data"].as_array().ok_or_else(|| unreadable("refunds"))?;
            for found in refunds.iter().filter(|found| found["metadata"]["refund"] == *wanted) {
                match read_refund(found) {
                    Ok(Refunded::Done) => return Ok(Some(Refunded::Done)),
                    Ok(Refunded::Pending) => pending = Some(Refunded::Pending),
                    // One that failed was none; it may be tried again.
                    Err(_) => {}
                }
            }
            after = refunds.last().and_then(|last| last["id"].as_str()).map(str::to_owned);
            if page["has_more"] != Value::Bool(true) || after.is_none() {
                return Ok(pending);
            }
        }
        Err(Fault::unavailable("the intent has more refunds than are looked through"))
    }
}

/// An id of Stripe, fit to be part of a path.
fn path_part(id: &str) -> Result<&str, Fault> {
    let fits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fits { Ok(id) } else { Err(Fault::Missing) }
}

fn unreadable(thing: &str) -> Fault {
    Fault::unavailable(format!("its answer has no {thing}"))
}

fn text(object: &Value, field: &str) -> Result<String, Fault> {
    object[field].as_str().map(str::to_owned).ok_or_else(|| unreadable(field))
}

fn read_intent(object: &Value) -> Result<Intent, Fault> {
    let status = text(object, "status")?;
    let (standing, field) = match status.as_str() {
        "requires_capture" => (Standing::Authorised, "amount_capturable"),
        "succeeded" => (Standing::Captured, "amount_received"),
        "canceled" => (Standing::Cancelled, "amount"),
        _ => (Standing::Awaiting, "amount"),
    };
    let marked = |name: &str| object["metadata"][name].as_str().and_then(|uuid| Uuid::parse_str(uuid).ok());
    Ok(Intent {
        id: text(object, "id")?,
        secret: text(object, "client_secret")?,
        standing,
        cents: object[field].as_i64().or_else(|| object["amount"].as_i64()).ok_or_else(|| unreadable("amount"))?,
        is_payable: matches!(status.as_str(), "requires_payment_method" | "requires_confirmation" | "requires_action"),
        payment: marked("payment"),
        store: marked("store"),
    })
}

fn read_refund(object: &Value) -> Result<Refunded, Fault> {
    match text(object, "status")?.as_str() {
        "succeeded" => Ok(Refunded::Done),
        "pending" | "requires_action" => Ok(Refunded::Pending),
        status => {
            let why = object["failure_reason"].as_str().unwrap_or("no reason given");
            Err(Fault::Declined(format!("the refund is {status}: {why}")))
        }
    }
}

impl Provider for Stripe {
    fn name(&self) -> &'static str {
        NAME
    }

    fn publishable_key(&self) -> &str {
        &self.publishable_key
    }

    fn customer<'a>(&'a self, key: &'a str, session: &'a str) -> BoxFuture<'a, Result<String, Fault>> {
        Box::pin(async move {
            let key = format!("customer-{key}");
            let made = self.post("/v1/customers", &key, &[("metadata[session]", session)]).await?;
            text(&made, "id")
        })
    }

    fn ephemeral_key<'a>(&'a self, customer: &'a str) -> BoxFuture<'a, Result<String, Fault>> {
        Box::pin(async move {
            // Each phone gets its own: nothing is lost when it is made twice.
            let key = format!("ephemeral-{}", Uuid::new_v4().simple());
            let made = self.post("/v1/ephemeral_keys", &key, &[("customer", customer)]).await?;
            text(&made, "secret")
        })
    }

    fn create<'a>(&'a self, new: &'a NewIntent) -> BoxFuture<'a, Result<Intent, Fault>> {
        Box::pin(async move {
            let (cents, store, payment) =
                (new.amount.cents().to_string(), new.store.to_string(), new.payment.to_string());
            // The customer is part of the key: with another one it is another request.
            let key = format!("create-{}-{}", new.payment.simple(), new.customer);
            let form = [
                ("amount", cents.as_str()),
                ("currency", "usd"),
                ("customer", &new.customer),
                ("capture_method", "manual"),
                ("payment_method_types[]", "card"),
                ("metadata[store]", &store),
                ("metadata[session]", &new.session),
                ("metadata[payment]", &payment),
            ];
            read_intent(&self.post("/v1/payment_intents", &key, &form).await?)
        })
    }

    fn intent<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Intent, Fault>> {
        Box::pin(async move {
            let path = format!("/v1/payment_intents/{}", path_part(id)?);
            read_intent(&self.client.call(Method::Get, &path, &[]).await?)
        })
    }

    fn capture<'a>(&'a self, key: &'a str, id: &'a str, cents: i64) -> BoxFuture<'a, Result<Intent, Fault>> {
        Box::pin(async move {
            let cents = cents.to_string();
            self.on_intent(id, "capture", key, &[("amount_to_capture", &cents)]).await
        })
    }

    fn cancel<'a>(&'a self, key: &'a str, id: &'a str) -> BoxFuture<'a, Result<Intent, Fault>> {
        Box::pin(self.on_intent(id, "cancel", key, &[]))
    }

    fn refund<'a>(
        &'a self,
        key: &'a str,
        id: &'a str,
        refund: Uuid,
        cents: i64,
    ) -> BoxFuture<'a, Result<Refunded, Fault>> {
        Box::pin(async move {
            let (cents, refund) = (cents.to_string(), refund.to_string());
            let form = [("payment_intent", id), ("amount", cents.as_str()), ("metadata[refund]", refund.as_str())];
            read_refund(&self.post("/v1/refunds", key, &form).await?)
        })
    }

    fn find_refund<'a>(&'a self, id: &'a str, refund: Uuid) -> BoxFuture<'a, Result<Option<Refunded>, Fault>> {
        Box::pin(self.look_for(id, refund))
    }
}
