//! Payments on both databases, with the simulated provider: what it may be asked, refuse, and leave unanswered.

mod crashes;
mod faulty;
mod rpc;
mod stripe;

use uuid::Uuid;

use self::faulty::Faulty;
use super::{revenue::Span, *};
use crate::{
    auth::Customer,
    on_both,
    storage::{self, Tx},
    testing::Node,
};

fn amount(cents: i64) -> Amount {
    Amount::new(cents).unwrap()
}

/// What an order costs here.
fn price() -> Amount {
    amount(460)
}

fn guest(number: u128) -> Customer {
    Customer { user: None, guest: Some(Uuid::from_u128(number)) }
}

/// Payments with a provider that does what the test says.
fn payments(node: &Node) -> (Payments, Arc<Faulty>) {
    let faulty = Arc::new(Faulty::new(node.db.clone()));
    let provider: Arc<dyn Provider> = Arc::<Faulty>::clone(&faulty);
    let app = node.app.clone();
    let providers = vec![provider].into();
    (Payments { app, providers, webhook_secret: None, wake: Arc::default(), failed: Arc::default() }, faulty)
}

async fn claimed(payments: &Payments, checked: &Checked, order: i64, cents: i64) -> Result<Claim, Error> {
    let checked = checked.clone();
    let write =
        payments.app.db.write(move |tx| Box::pin(async move { claim(tx, &checked, order, amount(cents)).await }));
    write.await
}

async fn given_back(payments: &Payments, order: i64, cents: Option<i64>) -> Result<(), Error> {
    let cents = cents.map(amount);
    payments.app.db.write(move |tx| Box::pin(give_back(tx, order, cents, "a test"))).await
}

async fn status_of(payments: &Payments, order: i64) -> Status {
    let read = payments.app.read(move |tx| Box::pin(async move { status(tx, &[order]).await }));
    read.await.unwrap().remove(&order).unwrap()
}

/// Settles as if it were so much later, until there is nothing left to do then.
async fn settle_after(payments: &Payments, later: TimeDelta) {
    for _ in 0..3 {
        payments.settle_due(payments.app.clock().wall() + later).await.unwrap();
    }
}

/// A payment over the price, taken by the order.
async fn paid(payments: &Payments, order: i64) -> Checked {
    let owner = guest(u128::from(order.unsigned_abs()) + 1_000);
    let prepared = payments.prepare(owner, price(), None).await.unwrap();
    let checked = payments.check(&prepared.payment_intent, owner).await.unwrap();
    assert_eq!(claimed(payments, &checked, order, 460).await.unwrap(), Claim::New);
    checked
}

/// Sales and refunds in cents.
async fn earned(payments: &Payments) -> (i64, i64) {
    let summed =
        payments.app.read(|tx| Box::pin(async move { revenue::totals(tx, Span::new(None, None)).await })).await;
    summed.map(|totals| (totals.sales_cents, totals.refunds_cents)).unwrap()
}

on_both!(a_payment_pays_one_order_once, |node: Node| async move {
    let (payments, provider) = payments(&node);
    let checked = paid(&payments, 1).await;
    assert_eq!(claimed(&payments, &checked, 2, 460).await.unwrap(), Claim::Existing(1));
    let again = payments.check(checked.intent(), guest(1_001)).await.unwrap();
    assert_eq!((again.order(), again.cents()), (Some(1), 460));
    assert_eq!(status_of(&payments, 1).await.state, State::Capturing);
    settle_after(&payments, TimeDelta::zero()).await;
    assert_eq!(status_of(&payments, 1).await.state, State::Captured);
    assert_eq!(provider.calls("capture"), 1);
    assert_eq!(earned(&payments).await, (460, 0));
});

on_both!(only_the_right_payment_counts, |node: Node| async move {
    let (payments, provider) = payments(&node);
    let secret = payments.prepare(guest(1), price(), None).await.unwrap().payment_intent;
    let id = secret.split("_secret_").next().unwrap().to_owned();
    let user = Customer { user: Some(101_000), guest: Some(Uuid::from_u128(1)) };
    assert!(payments.check(&secret, user).await.is_ok(), "the guest has logged in");
    let foreign = [
        (secret.clone(), guest(2)),
        (secret.clone(), Customer::default()),
        (secret.clone(), Customer { user: Some(101_000), guest: None }),
        (format!("{id}_secret_guessed"), guest(1)),
        ("pi_sim_made_up".to_owned(), guest(1)),
        (String::new(), guest(1)),
        ("\0".to_owned(), guest(1)),
        ("x".repeat(10_000), guest(1)),
    ];
    for (given, who) in foreign {
        assert!(matches!(payments.check(&given, who).await, Err(Error::NotPaid(UNKNOWN))), "{given} {who:?}");
    }
    let checked = payments.check(&secret, guest(1)).await.unwrap();
    for cents in [0, 459, 461, 920] {
        assert!(matches!(claimed(&payments, &checked, 1, cents).await, Err(Error::NotPaid(_))), "{cents}");
    }
    provider.set_standing(Some(provider::Standing::Awaiting));
    assert!(matches!(payments.check(&secret, guest(1)).await, Err(Error::NotPaid(_))), "not authorised");
    provider.set_away(true);
    assert!(matches!(payments.check(&secret, guest(1)).await, Err(Error::Provider)));
    assert_eq!(earned(&payments).await, (0, 0));
});

on_both!(the_cart_may_ask_again_and_again, |node: Node| async move {
    let (payments, provider) = payments(&node);
    let first = payments.prepare(guest(1), amount(0), None).await.unwrap();
    let again = payments.prepare(guest(1), amount(0), None).await.unwrap();
    assert_eq!((&first.payment_intent, &first.customer), (&again.payment_intent, &again.customer));
    assert_eq!(first.provider, "simulated");
    let other = payments.prepare(guest(1), price(), None).await.unwrap();
    assert_ne!(other.payment_intent, first.payment_intent);
    assert_eq!(other.customer, first.customer);
    let foreign = payments.prepare(guest(2), price(), None).await.unwrap();
    assert!(foreign.payment_intent != other.payment_intent && foreign.customer != other.customer);
    // The least amount stands in for nothing, and pays for nothing.
    let checked = payments.check(&first.payment_intent, guest(1)).await.unwrap();
    assert_eq!(checked.cents(), 50);
    for cents in 1..=9 {
        payments.prepare(guest(1), amount(1_000 + cents), None).await.unwrap();
    }
    assert_eq!(provider.calls("create"), 12);
    assert!(matches!(payments.check(&first.payment_intent, guest(1)).await, Err(Error::NotPaid(LET_GO))));
    assert!(payments.check(&other.payment_intent, guest(1)).await.is_ok());
    assert!(matches!(payments.prepare(Customer::default(), price(), None).await, Err(Error::NoSession)));
    settle_after(&payments, TimeDelta::zero()).await;
    assert_eq!(provider.calls("cancel"), 1);
});

on_both!(what_no_order_takes_is_let_go, |node: Node| async move {
    let (payments, provider) = payments(&node);
    let secret = payments.prepare(guest(1), price(), None).await.unwrap().payment_intent;
    let checked = payments.check(&secret, guest(1)).await.unwrap();
    settle_after(&payments, TimeDelta::minutes(14)).await;
    assert_eq!(provider.calls("cancel"), 0);
    settle_after(&payments, TimeDelta::minutes(15)).await;
    assert_eq!(provider.calls("cancel"), 1);
    assert!(matches!(claimed(&payments, &checked, 1, 460).await, Err(Error::NotPaid(LET_GO))));
    assert!(matches!(payments.check(&secret, guest(1)).await, Err(Error::NotPaid(LET_GO))));
    // A refused order lets it go at once; one that was placed keeps it.
    let secret = payments.prepare(guest(1), price(), None).await.unwrap().payment_intent;
    payments.let_go(&payments.check(&secret, guest(1)).await.unwrap()).await.unwrap();
    let placed = paid(&payments, 7).await;
    payments.let_go(&placed).await.unwrap();
    settle_after(&payments, TimeDelta::zero()).await;
    assert_eq!(provider.calls("cancel"), 2);
    assert_eq!(status_of(&payments, 7).await.state, State::Captured);
    assert_eq!(earned(&payments).await, (460, 0));
});

on_both!(money_goes_back_once_and_never_more_than_came, |node: Node| async move {
    let (payments, provider) = payments(&node);
    paid(&payments, 1).await;
    given_back(&payments, 1, Some(100)).await.unwrap();
    assert_eq!(status_of(&payments, 1).await.refunding, 100, "waits for the capture");
    assert!(matches!(given_back(&payments, 1, Some(361)).await, Err(Error::TooMuch(_))));
    settle_after(&payments, TimeDelta::zero()).await;
    let status = status_of(&payments, 1).await;
    assert_eq!((status.state, status.refunded, status.refunding), (State::Captured, 100, 0));
    assert_eq!(earned(&payments).await, (460, 100));
    given_back(&payments, 1, None).await.unwrap();
    given_back(&payments, 1, None).await.unwrap();
    assert_eq!(earned(&payments).await, (460, 100), "not before the provider has said so");
    settle_after(&payments, TimeDelta::zero()).await;
    assert_eq!((status_of(&payments, 1).await.refunded, provider.calls("refund")), (460, 2));
    assert_eq!(earned(&payments).await, (460, 460));
    given_back(&payments, 99, None).await.unwrap();
});

on_both!(an_order_cancelled_at_once_is_let_go, |node: Node| async move {
    let (payments, provider) = payments(&node);
    paid(&payments, 1).await;
    given_back(&payments, 1, None).await.unwrap();
    given_back(&payments, 1, None).await.unwrap();
    settle_after(&payments, TimeDelta::zero()).await;
    assert_eq!(status_of(&payments, 1).await.state, State::Released);
    assert_eq!((provider.calls("capture"), provider.calls("cancel"), provider.calls("refund")), (0, 1, 0));
    assert_eq!(earned(&payments).await, (460, 460));
});

on_both!(a_declined_refund_is_not_done, |node: Node| async move {
    let (payments, provider) = payments(&node);
    paid(&payments, 1).await;
    settle_after(&payments, TimeDelta::zero()).await;
    provider.set_declining(true);
    given_back(&payments, 1, None).await.unwrap();
    for minutes in 0..20 {
        settle_after(&payments, TimeDelta::minutes(minutes)).await;
    }
    assert_eq!(provider.calls("refund"), 5, "then it rests for a day");
    let status = status_of(&payments, 1).await;
    assert_eq!((status.refunded, status.refunding, earned(&payments).await), (0, 460, (460, 0)));
    assert!(status.problem.unwrap().contains("declines"));
    // A manager asks again, in vain; a day later the provider gives in.
    given_back(&payments, 1, None).await.unwrap();
    settle_after(&payments, TimeDelta::zero()).await;
    assert_eq!(provider.calls("refund"), 6);
    provider.set_declining(false);
    settle_after(&payments, TimeDelta::hours(25)).await;
    let status = status_of(&payments, 1).await;
    assert_eq!((status.refunded, status.problem, earned(&payments).await), (460, None, (460, 460)));
});

on_both!(money_that_never_came_is_no_sale, |node: Node| async move {
    let (payments, provider) = payments(&node);
    let checked = paid(&payments, 1).await;
    provider.cancel("elsewhere", checked.intent()).await.unwrap();
    settle_after(&payments, TimeDelta::zero()).await;
    assert_eq!(status_of(&payments, 1).await.state, State::Failed);
    // The orders are told, which cancel what nobody has begun to make.
    tokio::time::timeout(std::time::Duration::from_secs(10), payments.failed()).await.unwrap();
    assert_eq!(earned(&payments).await, (460, 460));
    given_back(&payments, 1, None).await.unwrap();
    settle_after(&payments, TimeDelta::zero()).await;
    assert_eq!(provider.calls("refund"), 0);
});

on_both!(a_provider_that_is_away_is_asked_later, |node: Node| async move {
    let (payments, provider) = payments(&node);
    paid(&payments, 1).await;
    provider.set_away(true);
    settle_after(&payments, TimeDelta::zero()).await;
    let status = status_of(&payments, 1).await;
    assert!(status.state == State::Capturing && status.problem.is_some());
    assert!(matches!(payments.prepare(guest(1), price(), None).await, Err(Error::Provider)));
    provider.set_away(false);
    settle_after(&payments, TimeDelta::minutes(1)).await;
    let status = status_of(&payments, 1).await;
    assert_eq!((status.state, status.problem), (State::Captured, None));
});

on_both!(what_came_to_nothing_is_dropped_after_a_month, |node: Node| async move {
    let (payments, _) = payments(&node);
    let prepared = payments.prepare(guest(1), price(), None).await.unwrap();
    paid(&payments, 1).await;
    settle_after(&payments, TimeDelta::minutes(16)).await;
    let id = prepared.payment_intent.split("_secret_").next().unwrap().to_owned();
    let is_there = async || {
        let id = id.clone();
        let read = payments.app.read(move |tx| Box::pin(async move { store::by_intent(tx, &id).await }));
        read.await.unwrap().is_some()
    };
    let now = payments.app.clock().wall();
    payments.forget(now + TimeDelta::days(30)).await;
    assert!(is_there().await);
    payments.forget(now + TimeDelta::days(31)).await;
    assert!(!is_there().await);
    assert_eq!(status_of(&payments, 1).await.state, State::Captured);
});

/// Rows of the simulated provider's refunds.
async fn refunds_at_provider(node: &Node) -> Vec<i64> {
    use diesel::QueryDsl as _;
    use diesel_async::RunQueryDsl as _;
    async fn all(tx: &mut Tx) -> Result<Vec<i64>, storage::Error> {
        use crate::storage::schema::simulated_refunds::dsl::{amount_cents, simulated_refunds};
        Ok(crate::on!(tx, conn => simulated_refunds.select(amount_cents).load(conn).await)?)
    }
    node.db.read(|tx| Box::pin(all(tx))).await.unwrap()
}
