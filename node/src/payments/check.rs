//! Asks the provider whether a payment is good, before an order takes it. The phone's word counts for nothing.

use subtle::ConstantTimeEq as _;

use super::{
    Error, LET_GO, Payments, UNKNOWN,
    claim::Checked,
    provider::{Fault, Intent, Standing},
    state::State,
    store::{self, Payment},
    to_the_microsecond,
};
use crate::auth::Customer;

/// Between the id of an intent and the rest of its client secret.
const SECRET_MARK: &str = "_secret_";

/// Longest client secret that is looked at, in bytes; Stripe's have about 60.
const SECRET_MAX: usize = 255;

impl Payments {
    /// Asks the provider whether a payment, named by its intent or client secret, is this customer's and its money held.
    /// To be called before the order's transaction.
    ///
    /// # Errors
    /// [`Error::NotPaid`] when it is not; [`Error::Provider`] when the provider does not say.
    pub async fn check(&self, given: &str, customer: Customer) -> Result<Checked, Error> {
        self.require_store()?;
        if given.len() > SECRET_MAX || given.contains('\0') {
            return Err(Error::NotPaid(UNKNOWN));
        }
        let id = given.split_once(SECRET_MARK).map_or(given, |(id, _)| id).to_owned();
        let found = self.app.read(move |tx| Box::pin(async move { store::by_intent(tx, &id).await })).await?;
        let payment = found.filter(|payment| payment.is_of(&customer)).ok_or(Error::NotPaid(UNKNOWN))?;
        if payment.order_id.is_some() {
            let cents = payment.amount_cents;
            return Ok(checked(payment, cents));
        }
        if payment.state != State::Open || payment.provider != self.provider().name() {
            return Err(Error::NotPaid(LET_GO));
        }
        let intent = match self.provider().intent(&payment.intent).await {
            Ok(intent) => intent,
            Err(Fault::Missing) => return Err(Error::NotPaid(UNKNOWN)),
            Err(fault) => return Err(fault.into()),
        };
        self.judge(given, &payment, &intent)?;
        Ok(checked(payment, intent.cents))
    }

    fn judge(&self, given: &str, payment: &Payment, intent: &Intent) -> Result<(), Error> {
        let is_named_right =
            !given.contains(SECRET_MARK) || bool::from(given.as_bytes().ct_eq(intent.secret.as_bytes()));
        let is_ours =
            intent.payment == Some(payment.id.0) && intent.store.is_some_and(|store| self.app.author().is(store));
        if !is_named_right || !is_ours {
            return Err(Error::NotPaid(UNKNOWN));
        }
        match intent.standing {
            Standing::Authorised | Standing::Captured => Ok(()),
            Standing::Awaiting => {
                Err(Error::NotPaid("The order is not paid: the payment was not finished. Pay again."))
            }
            Standing::Cancelled => Err(Error::NotPaid(LET_GO)),
        }
    }

    /// Has the settler look at a payment now instead of at its time: something has happened at the provider.
    pub(super) async fn look_again(&self, intent: Option<String>) -> Result<(), Error> {
        let Some(intent) = intent else { return Ok(()) };
        let writing = self.app.db.write(move |tx| {
            Box::pin(async move {
                let now = to_the_microsecond(tx.clock.wall());
                match store::by_intent(tx, &intent).await? {
                    Some(payment) => store::arm(tx, &payment, now).await,
                    None => Ok(()),
                }
            })
        });
        writing.await?;
        self.wake();
        Ok(())
    }

    /// Lets go the money of an order that was refused for good. A payment that an order has stays as it is.
    ///
    /// # Errors
    /// The database failed; the money is let go anyway when nobody claims it.
    pub async fn let_go(&self, checked: &Checked) -> Result<(), Error> {
        let id = checked.payment;
        let writing = self.app.db.write(move |tx| {
            Box::pin(async move {
                let now = to_the_microsecond(tx.clock.wall());
                store::advance(tx, id.into(), (State::Open, State::Releasing), Some(now), None).await
            })
        });
        writing.await?;
        self.wake();
        Ok(())
    }
}

fn checked(payment: Payment, cents: i64) -> Checked {
    Checked { payment: payment.id.0, intent: payment.intent, cents, order: payment.order_id }
}
