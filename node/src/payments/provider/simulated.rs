//! The provider that moves no money. It keeps books of its own and plays by the rules of a real one: what is held is taken
//! once, no more is given back than was taken, and a call repeated is done once. Its intents are paid at once, because
//! nobody has a card for it.

use diesel::{
    ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use futures::future::BoxFuture;
use uuid::Uuid;

use super::{super::import::Paid, Fault, Intent, NewIntent, Provider, Refunded, Standing};
use crate::{
    on,
    storage::{
        self, Db, Tx,
        schema::{simulated_intents, simulated_refunds},
        types::Id,
    },
};

/// Its word.
pub(in super::super) const NAME: &str = "simulated";

const AUTHORISED: &str = "authorised";
const CAPTURED: &str = "captured";
const CANCELLED: &str = "cancelled";

/// An intent in its books.
#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = simulated_intents)]
struct Row {
    id: String,
    secret: String,
    payment: Id,
    store: Id,
    amount_cents: i64,
    state: String,
}

impl From<Row> for Intent {
    fn from(row: Row) -> Self {
        let standing = match row.state.as_str() {
            AUTHORISED => Standing::Authorised,
            CAPTURED => Standing::Captured,
            _ => Standing::Cancelled,
        };
        Self {
            is_payable: standing == Standing::Authorised,
            id: row.id,
            secret: row.secret,
            standing,
            cents: row.amount_cents,
            payment: Some(row.payment.0),
            store: Some(row.store.0),
        }
    }
}

impl From<storage::Error> for Fault {
    fn from(error: storage::Error) -> Self {
        Self::unavailable(error.to_string())
    }
}

/// The simulated provider.
pub(in super::super) struct Simulated {
    db: Db,
}

impl Simulated {
    /// With its books in the node's database.
    pub(in super::super) fn new(db: Db) -> Self {
        Self { db }
    }
}

/// The id of a payment's intent.
pub(in super::super) fn intent(payment: Uuid) -> String {
    format!("pi_sim_{}", payment.simple())
}

/// The customer of a key.
pub(in super::super) fn customer(key: &str) -> String {
    format!("cus_sim_{key}")
}

/// Takes a payment into the books that was made, and settled, in the past. Its secret is nobody's.
pub(in super::super) async fn bring(tx: &mut Tx, paid: &Paid) -> Result<(), storage::Error> {
    let id = intent(paid.id);
    let row = Row {
        secret: format!("{id}_secret_{}", hex::encode(rand::random::<[u8; 16]>())),
        id: id.clone(),
        payment: Id(paid.id),
        store: Id(tx.author.id.uuid),
        amount_cents: paid.amount.cents(),
        state: CAPTURED.to_owned(),
    };
    on!(tx, conn => diesel::insert_into(simulated_intents::table).values(row).cached().execute(conn).await)?;
    let Some(back) = &paid.back else { return Ok(()) };
    insert_refund(tx, &id, back.id, back.amount.cents()).await
}

async fn insert_refund(tx: &mut Tx, id: &str, refund: Uuid, cents: i64) -> Result<(), storage::Error> {
    on!(tx, conn => diesel::insert_into(simulated_refunds::table)
        .values((
            simulated_refunds::id.eq(Id(refund)),
            simulated_refunds::intent.eq(id),
            simulated_refunds::amount_cents.eq(cents),
        ))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

async fn find(tx: &mut Tx, id: &str) -> Result<Option<Row>, storage::Error> {
    Ok(on!(tx, conn => simulated_intents::table
        .find(id)
        .select(Row::as_select())
        .first(conn)
        .await
        .optional())?)
}

async fn create(tx: &mut Tx, new: NewIntent) -> Result<Intent, Fault> {
    let id = intent(new.payment);
    if let Some(row) = find(tx, &id).await? {
        return Ok(row.into());
    }
    let row = Row {
        secret: format!("{id}_secret_{}", hex::encode(rand::random::<[u8; 16]>())),
        id,
        payment: Id(new.payment),
        store: Id(new.store),
        amount_cents: new.amount.cents(),
        state: AUTHORISED.to_owned(),
    };
    let values = row.clone();
    on!(tx, conn => diesel::insert_into(simulated_intents::table).values(values).cached().execute(conn).await)
        .map_err(storage::Error::from)?;
    Ok(row.into())
}

/// Moves what is held on; done already is as good.
async fn settle(tx: &mut Tx, id: String, to: &'static str, cents: Option<i64>) -> Result<Intent, Fault> {
    let mut row = find(tx, &id).await?.ok_or(Fault::Missing)?;
    let cents = cents.unwrap_or(row.amount_cents);
    if row.state == to {
        return Ok(row.into());
    }
    if row.state != AUTHORISED || cents > row.amount_cents {
        return Err(Fault::Declined(format!("the intent of {} cents is {}", row.amount_cents, row.state)));
    }
    on!(tx, conn => diesel::update(simulated_intents::table.find(&id))
        .set((simulated_intents::state.eq(to), simulated_intents::amount_cents.eq(cents)))
        .cached()
        .execute(conn)
        .await)
    .map_err(storage::Error::from)?;
    (row.state, row.amount_cents) = (to.to_owned(), cents);
    Ok(row.into())
}

async fn refund(tx: &mut Tx, id: String, refund: Uuid, cents: i64) -> Result<Refunded, Fault> {
    let row = find(tx, &id).await?.ok_or(Fault::Missing)?;
    let given: Vec<(Id, i64)> = on!(tx, conn => simulated_refunds::table
        .filter(simulated_refunds::intent.eq(&id))
        .select((simulated_refunds::id, simulated_refunds::amount_cents))
        .load(conn)
        .await)
    .map_err(storage::Error::from)?;
    if given.iter().any(|(known, _)| known.0 == refund) {
        return Ok(Refunded::Done);
    }
    let left = row.amount_cents - given.iter().map(|(_, cents)| cents).sum::<i64>();
    if row.state != CAPTURED || cents > left {
        return Err(Fault::Declined(format!("the intent is {}, and {left} cents of it are left", row.state)));
    }
    insert_refund(tx, &id, refund, cents).await?;
    Ok(Refunded::Done)
}

async fn find_refund(tx: &mut Tx, refund: Uuid) -> Result<Option<Refunded>, storage::Error> {
    let known: Option<Id> = on!(tx, conn => simulated_refunds::table
        .find(Id(refund))
        .select(simulated_refunds::id)
        .first(conn)
        .await
        .optional())?;
    Ok(known.map(|_| Refunded::Done))
}

impl Provider for Simulated {
    fn name(&self) -> &'static str {
        NAME
    }

    fn publishable_key(&self) -> &'static str {
        "pk_simulated"
    }

    fn customer<'a>(&'a self, key: &'a str, _session: &'a str) -> BoxFuture<'a, Result<String, Fault>> {
        Box::pin(std::future::ready(Ok(customer(key))))
    }

    fn ephemeral_key<'a>(&'a self, _customer: &'a str) -> BoxFuture<'a, Result<String, Fault>> {
        Box::pin(std::future::ready(Ok(format!("ek_sim_{}", hex::encode(rand::random::<[u8; 16]>())))))
    }

    fn create<'a>(&'a self, new: &'a NewIntent) -> BoxFuture<'a, Result<Intent, Fault>> {
        let new = new.clone();
        Box::pin(self.db.write(move |tx| Box::pin(create(tx, new))))
    }

    fn intent<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Intent, Fault>> {
        let id = id.to_owned();
        Box::pin(
            self.db
                .read(move |tx| Box::pin(async move { find(tx, &id).await?.map(Intent::from).ok_or(Fault::Missing) })),
        )
    }

    fn capture<'a>(&'a self, _key: &'a str, id: &'a str, cents: i64) -> BoxFuture<'a, Result<Intent, Fault>> {
        let id = id.to_owned();
        Box::pin(self.db.write(move |tx| Box::pin(settle(tx, id, CAPTURED, Some(cents)))))
    }

    fn cancel<'a>(&'a self, _key: &'a str, id: &'a str) -> BoxFuture<'a, Result<Intent, Fault>> {
        let id = id.to_owned();
        Box::pin(self.db.write(move |tx| Box::pin(settle(tx, id, CANCELLED, None))))
    }

    fn refund<'a>(
        &'a self,
        _key: &'a str,
        id: &'a str,
        number: Uuid,
        cents: i64,
    ) -> BoxFuture<'a, Result<Refunded, Fault>> {
        let id = id.to_owned();
        Box::pin(self.db.write(move |tx| Box::pin(refund(tx, id, number, cents))))
    }

    fn find_refund<'a>(&'a self, _id: &'a str, refund: Uuid) -> BoxFuture<'a, Result<Option<Refunded>, Fault>> {
        Box::pin(self.db.read(move |tx| Box::pin(async move { Ok(find_refund(tx, refund).await?) })))
    }
}
