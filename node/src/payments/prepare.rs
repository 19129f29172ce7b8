//! Prepares payments. The app asks on every mount of its cart and at every change of the total, so the same question has
//! the same answer for a while, and old answers are let go.

use std::time::Duration;

use chrono::{DateTime, Utc};
use codepop_proto::payments::CreatePaymentIntentResponse;
use uuid::Uuid;

use super::{
    Amount, Error, Payments, UNCLAIMED_FOR,
    provider::{Fault, Intent, NewIntent},
    state::State,
    store::{self, Payment},
    to_the_microsecond,
};
use crate::{
    app::once::Once,
    auth::Customer,
    storage::{
        Tx,
        types::{Id, Time},
    },
};

/// Open payments of one session: more than a cart is changed within 15 minutes by a person who means to pay.
const OPEN_MAX: usize = 10;

/// How long preparing may take, all its calls together: gateways wait ten seconds.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(9);

/// What the phone needs to pay.
pub type Prepared = CreatePaymentIntentResponse;

impl Payments {
    /// Prepares a payment for an order of this customer at this store; less than the provider takes becomes its least.
    ///
    /// # Errors
    /// There is no session, this node is a hub, or the provider does not answer.
    pub async fn prepare(&self, customer: Customer, amount: Amount, once: Option<Once>) -> Result<Prepared, Error> {
        self.require_store()?;
        let owner = customer.as_owner();
        if owner == Customer::default() {
            return Err(Error::NoSession);
        }
        if let Some(kept) = self.answered(once.clone()).await? {
            return Ok(kept);
        }
        let amount = amount.max(self.provider().least());
        let preparing = async {
            match self.same_again(session(&owner), amount).await? {
                Some((payment, intent)) => {
                    let key = self.provider().ephemeral_key(&payment.customer).await?;
                    let answer = self.answer(intent, &payment.customer, key);
                    self.extend(payment, answer, once).await
                }
                None => self.prepare_new(owner, amount, once).await,
            }
        };
        tokio::time::timeout(PREPARE_TIMEOUT, preparing).await.unwrap_or_else(|_| {
            tracing::error!(provider = self.provider().name(), "preparing a payment took too long");
            Err(Error::Provider)
        })
    }

    async fn answered(&self, once: Option<Once>) -> Result<Option<Prepared>, Error> {
        let Some(once) = once else { return Ok(None) };
        self.app.read(move |tx| Box::pin(async move { Ok(once.answered(tx).await?) })).await
    }

    /// The newest open payment of the owner over this amount, if a phone can still pay with it.
    async fn same_again(&self, owner: String, amount: Amount) -> Result<Option<(Payment, Intent)>, Error> {
        let (provider, now) = (self.provider().name(), self.app.clock().wall());
        let open: Vec<Payment> =
            self.app.read(move |tx| Box::pin(async move { Ok::<_, Error>(store::open_of(tx, &owner).await?) })).await?;
        let fits = |payment: &Payment| {
            payment.amount_cents == amount.cents() && payment.provider == provider && payment.expires_at.0 > now
        };
        let Some(payment) = open.into_iter().rev().find(fits) else { return Ok(None) };
        match self.provider().intent(&payment.intent).await {
            Ok(intent) => Ok(intent.is_payable.then_some((payment, intent))),
            Err(Fault::Missing) => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Lets an open payment live on. If the settler has just let it go, the phone learns so when it orders, and pays anew.
    async fn extend(&self, payment: Payment, answer: Prepared, once: Option<Once>) -> Result<Prepared, Error> {
        let writing = self.app.db.write(move |tx| {
            Box::pin(async move {
                let until = to_the_microsecond(tx.clock.wall()) + UNCLAIMED_FOR;
                store::extend(tx, payment.id, until).await?;
                if let Some(once) = once {
                    once.keep(tx, &answer).await?;
                }
                Ok::<_, Error>(answer)
            })
        });
        writing.await
    }

    async fn prepare_new(&self, owner: Customer, amount: Amount, once: Option<Once>) -> Result<Prepared, Error> {
        let provider = self.provider();
        let (id, session) = (Uuid::now_v7(), session(&owner));
        let (name, whose) = (provider.name(), session.clone());
        let known = self.app.read(move |tx| Box::pin(async move { store::customer_of(tx, &whose, name).await }));
        let customer = match known.await? {
            Some(customer) => customer,
            None => provider.customer(&id.simple().to_string(), &session).await?,
        };
        let store = self.app.author().id.uuid;
        let mut new = NewIntent { payment: id, store, session, customer, amount };
        let (intent, key) = match self.at_provider(&new).await {
            // Somebody has deleted the customer at the provider.
            Err(Fault::Missing) => {
                new.customer = provider.customer(&id.simple().to_string(), &new.session).await?;
                self.at_provider(&new).await?
            }
            other => other?,
        };
        let answer = self.answer(intent.clone(), &new.customer, key);
        let now = to_the_microsecond(self.app.clock().wall());
        let payment = payment(&new, owner, provider.name(), intent.id, now);
        let recorded = self.app.db.write(move |tx| Box::pin(record(tx, payment, answer, once))).await?;
        self.wake();
        Ok(recorded)
    }

    async fn at_provider(&self, new: &NewIntent) -> Result<(Intent, String), Fault> {
        let key = self.provider().ephemeral_key(&new.customer);
        futures::future::try_join(self.provider().create(new), key).await
    }

    fn answer(&self, intent: Intent, customer: &str, ephemeral_key: String) -> Prepared {
        Prepared {
            payment_intent: intent.secret,
            ephemeral_key,
            customer: customer.to_owned(),
            publishable_key: self.provider().publishable_key().to_owned(),
            provider: self.provider().name().to_owned(),
        }
    }
}

/// How the provider's books call whoever pays.
pub(super) fn session(owner: &Customer) -> String {
    match (owner.user, owner.guest) {
        (Some(user), _) => format!("user:{user}"),
        (None, Some(guest)) => format!("guest:{guest}"),
        (None, None) => "nobody".to_owned(),
    }
}

fn payment(new: &NewIntent, owner: Customer, provider: &str, intent: String, now: DateTime<Utc>) -> Payment {
    Payment {
        id: Id(new.payment),
        owner: new.session.clone(),
        owner_user: owner.user,
        owner_guest: owner.guest.map(Id),
        amount_cents: new.amount.cents(),
        provider: provider.to_owned(),
        intent,
        customer: new.customer.clone(),
        state: State::Open,
        order_id: None,
        problem: None,
        attempts: 0,
        next_at: None,
        expires_at: Time(now + UNCLAIMED_FOR),
        created_at: Time(now),
    }
}

/// Keeps a payment, lets the oldest of too many go, and keeps the answer. If the same request was answered meanwhile, that
/// answer holds, and this payment is let go.
async fn record(tx: &mut Tx, mut payment: Payment, answer: Prepared, once: Option<Once>) -> Result<Prepared, Error> {
    let now = payment.created_at;
    if let Some(once) = &once
        && let Some(kept) = once.answered::<Prepared>(tx).await?
    {
        (payment.state, payment.next_at) = (State::Releasing, Some(now));
        store::insert(tx, &payment).await?;
        return Ok(kept);
    }
    let open = store::open_of(tx, &payment.owner).await?;
    for old in open.iter().take((open.len() + 1).saturating_sub(OPEN_MAX)) {
        store::advance(tx, old.id, (State::Open, State::Releasing), Some(now.0), None).await?;
    }
    store::insert(tx, &payment).await?;
    if let Some(once) = once {
        once.keep(tx, &answer).await?;
    }
    Ok(answer)
}
