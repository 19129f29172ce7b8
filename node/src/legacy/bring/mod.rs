//! Writes what was read. A step is a transaction: whatever happens, a row is here with its number and its mark that it is
//! here, or neither.

mod accounts;
mod drinks;
mod plan;
mod small;
mod trade;

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use self::plan::Plan;
use super::{
    Error,
    report::{Entity, Report},
    snapshot::Snapshot,
    store,
};
use crate::{
    catalog, journal,
    storage::{self, Tx},
    stores,
};

/// Rows that one transaction brings over: enough to make the sync to the disk cheap, few enough to be quick.
const BATCH: usize = 200;

/// Numbers below this are those of the first old database; nothing here makes such numbers.
const VERBATIM_END: i64 = codepop_shared::number::STRIDE;

/// A part of an import.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Finds out what was brought before and whose numbers are kept.
    Begin,
    /// Brings rows of one kind.
    Rows(Entity, Range<usize>),
    /// Adds up.
    End,
}

/// An import under way.
pub(super) struct Import {
    snapshot: Snapshot,
    plan: Plan,
    abandoned_carts: bool,
    /// Whether rows keep their numbers.
    verbatim: bool,
    /// What rows of the old system are here.
    known: HashMap<Entity, HashMap<i64, i64>>,
    /// Names of the chain's catalogue, in small letters.
    catalogue: HashSet<String>,
    pub(super) report: Report,
}

impl Import {
    /// An import of a database that was read; `report` has what could not be read of it.
    pub(super) fn new(snapshot: Snapshot, report: Report, abandoned_carts: bool) -> Self {
        let plan = Plan::of(&snapshot);
        let (known, catalogue) = (HashMap::new(), HashSet::new());
        Self { snapshot, plan, abandoned_carts, verbatim: false, known, catalogue, report }
    }

    fn count(&self, entity: Entity) -> usize {
        match entity {
            Entity::Users => self.snapshot.users.len(),
            Entity::Tokens => self.snapshot.tokens.len(),
            Entity::Drinks => self.snapshot.drinks.len(),
            Entity::Favorites => self.snapshot.favorites.len(),
            Entity::Preferences => self.snapshot.preferences.len(),
            Entity::Inventory => self.plan.stock.len(),
            Entity::Orders => self.snapshot.orders.len(),
            Entity::OrderDrinks => 0,
            Entity::Revenue => self.snapshot.revenue.len(),
            Entity::Notifications => self.snapshot.notifications.len(),
        }
    }

    /// How many rows the steps go over.
    pub(super) fn rows(&self) -> usize {
        Entity::ALL.into_iter().map(|entity| self.count(entity)).sum()
    }

    /// What is to be done, in this order: later rows name earlier ones.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step::Begin];
        for entity in Entity::ALL {
            let count = self.count(entity);
            steps.extend((0..count).step_by(BATCH).map(|at| Step::Rows(entity, at..count.min(at + BATCH))));
        }
        steps.push(Step::End);
        steps
    }

    /// Does one part.
    pub(super) async fn step(&mut self, tx: &mut Tx, step: Step) -> Result<(), Error> {
        match step {
            Step::Begin => self.begin(tx).await,
            Step::Rows(entity, range) => {
                for at in range {
                    self.row(tx, entity, at).await?;
                }
                Ok(())
            }
            Step::End => self.end(tx).await,
        }
    }

    async fn begin(&mut self, tx: &mut Tx) -> Result<(), Error> {
        let source = self.snapshot.fingerprint;
        self.verbatim = match store::is_verbatim(tx, &source).await? {
            Some(verbatim) => verbatim && stores::claim_legacy_numbers(tx).await?,
            None => {
                let verbatim = !store::has_verbatim(tx).await? && stores::claim_legacy_numbers(tx).await?;
                store::begin(tx, &source, verbatim).await?;
                verbatim
            }
        };
        for entity in Entity::ALL {
            self.known.insert(entity, store::rows(tx, &source, entity).await?);
        }
        for (id, reason) in std::mem::take(&mut self.plan.no_stock) {
            self.report.skip(Entity::Inventory, Some(id), &reason);
        }
        self.catalogue = catalog::list(tx).await?.iter().map(|drink| drink.recipe.name.to_lowercase()).collect();
        Ok(())
    }

    async fn row(&mut self, tx: &mut Tx, entity: Entity, at: usize) -> Result<(), Error> {
        match entity {
            Entity::Users => self.user(tx, at).await,
            Entity::Tokens => self.token(tx, at).await,
            Entity::Drinks => self.drink(tx, at).await,
            Entity::Favorites => self.favorite(tx, at).await,
            Entity::Preferences => self.preference(tx, at).await,
            Entity::Inventory => self.item(tx, at).await,
            Entity::Notifications => self.notification(tx, at).await,
            Entity::Orders => self.order(tx, at).await,
            // They come with their orders.
            Entity::OrderDrinks => Ok(()),
            Entity::Revenue => self.sale(tx, at).await,
        }
    }

    async fn end(&mut self, tx: &mut Tx) -> Result<(), Error> {
        for rows in std::mem::take(&mut self.plan.order_drinks).into_values() {
            for (id, _) in rows {
                self.report.skip(Entity::OrderDrinks, Some(id), "its order is not there");
            }
        }
        self.add_up(tx).await?;
        Ok(store::end(tx, &self.snapshot.fingerprint).await?)
    }

    /// The number here of a row of the old system, if it was brought over.
    fn number(&self, entity: Entity, legacy: i64) -> Option<i64> {
        self.known.get(&entity).and_then(|known| known.get(&legacy)).copied()
    }

    /// Whether an earlier run brought a row over; counts it if so.
    fn was_before(&mut self, entity: Entity, legacy: i64) -> bool {
        let was = self.number(entity, legacy).is_some();
        if was {
            self.report.before(entity);
        }
        was
    }

    /// The number that a row gets: its own if it may keep it.
    async fn new_number(
        &self,
        tx: &mut Tx,
        thing: &'static str,
        legacy: i64,
        is_taken: bool,
    ) -> Result<i64, storage::Error> {
        if self.verbatim && !is_taken && legacy < VERBATIM_END {
            return Ok(legacy);
        }
        journal::next_number(tx, thing).await
    }

    /// A row is here now, under this number.
    async fn keep(
        &mut self,
        tx: &mut Tx,
        entity: Entity,
        legacy: i64,
        number: i64,
        changes: &[String],
    ) -> Result<(), Error> {
        store::put(tx, &self.snapshot.fingerprint, entity, legacy, number).await?;
        self.known.entry(entity).or_default().insert(legacy, number);
        self.report.import(entity, legacy, changes);
        Ok(())
    }

    /// Judges what became of an attempt to say something about a user: one who was deleted here stays deleted.
    fn said<T>(&mut self, entity: Entity, legacy: i64, said: Result<T, journal::Error>) -> Result<Option<T>, Error> {
        match said {
            Ok(said) => Ok(Some(said)),
            Err(journal::Error::Erased) => {
                self.report.skip(entity, Some(legacy), "its user was deleted here");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}
