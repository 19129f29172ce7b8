//! Rows of drinks and favourites. The three tables have the same columns for what a drink is made of; lists are JSON.

use codepop_shared::number::STRIDE;
use diesel::{
    AsChangeset, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;

use super::{
    Drink,
    money::Cents,
    recipe::{Ice, Recipe, Size},
};
use crate::{
    on,
    storage::{
        Error, Tx,
        schema::{catalog_drinks, drink_ratings, favorites, user_drinks},
        types::{Id, Time},
    },
};

/// The columns that the three tables share; all empty where there is no drink (any more).
#[derive(Default)]
pub(super) struct Columns {
    pub(super) name: String,
    pub(super) syrups: String,
    pub(super) sodas: String,
    pub(super) add_ins: String,
    pub(super) price_cents: i64,
    pub(super) size: String,
    pub(super) ice: String,
}

impl Columns {
    fn of(recipe: Option<&Recipe>) -> Self {
        let json = |list: &[String]| serde_json::Value::from(list).to_string();
        recipe.map_or_else(Self::default, |recipe| Self {
            name: recipe.name.clone(),
            syrups: json(&recipe.syrups),
            sodas: json(&recipe.sodas),
            add_ins: json(&recipe.add_ins),
            price_cents: recipe.price.get(),
            size: recipe.size.word().to_owned(),
            ice: recipe.ice.word().to_owned(),
        })
    }

    fn recipe(self) -> Result<Recipe, Error> {
        let damaged = |what: &str| Error::Damaged(format!("a drink's {what} makes no sense"));
        let list = |json: &str| serde_json::from_str(json).map_err(|_| damaged("list of ingredients"));
        Ok(Recipe {
            syrups: list(&self.syrups)?,
            sodas: list(&self.sodas)?,
            add_ins: list(&self.add_ins)?,
            price: Cents::new(self.price_cents).ok_or_else(|| damaged("price"))?,
            size: Size::parse(&self.size).map_err(|_| damaged("size"))?,
            ice: Ice::parse(&self.ice).map_err(|_| damaged("ice"))?,
            name: self.name,
        })
    }
}

macro_rules! drink_row {
    ($(#[$doc:meta])* $row:ident in $table:ident ($($key:ident),+) { $($field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Insertable, AsChangeset, Queryable, Selectable)]
        #[diesel(table_name = $table, primary_key($($key),+), treat_none_as_null = true)]
        pub(super) struct $row {
            $(pub(super) $field: $type,)+
            pub(super) name: String,
            pub(super) syrups: String,
            pub(super) sodas: String,
            pub(super) add_ins: String,
            pub(super) price_cents: i64,
            pub(super) size: String,
            pub(super) ice: String,
            pub(super) clocks: Vec<u8>,
        }

        impl $row {
            /// A row with what the drink is made of, or with empty columns.
            #[allow(clippy::too_many_arguments, reason = "the key columns, told apart by type and name")]
            pub(super) fn new($($field: $type,)+ recipe: Option<&Recipe>, clocks: Vec<u8>) -> Self {
                let Columns { name, syrups, sodas, add_ins, price_cents, size, ice } = Columns::of(recipe);
                Self { $($field,)+ name, syrups, sodas, add_ins, price_cents, size, ice, clocks }
            }

            /// What the drink is made of.
            pub(super) fn recipe(self) -> Result<Recipe, Error> {
                let Self { name, syrups, sodas, add_ins, price_cents, size, ice, .. } = self;
                Columns { name, syrups, sodas, add_ins, price_cents, size, ice }.recipe()
            }
        }
    };
}

drink_row! {
    /// A drink of the catalogue, or what is left of it.
    CatalogRow in catalog_drinks (id) {
        id: i64,
        withdrawn: bool,
    }
}

drink_row! {
    /// A customer's drink, or what is left of it.
    UserRow in user_drinks (id) {
        id: i64,
        owner: i64,
        guest: Option<Id>,
        created_at: Time,
        deleted: bool,
    }
}

drink_row! {
    /// A favourite, or what is left of it.
    FavoriteRow in favorites (user_id, drink_id) {
        user_id: i64,
        drink_id: i64,
        present: bool,
        user_created: bool,
    }
}

impl TryFrom<CatalogRow> for Drink {
    type Error = Error;

    fn try_from(row: CatalogRow) -> Result<Self, Error> {
        Ok(Self { id: row.id, user_created: false, recipe: row.recipe()? })
    }
}

impl TryFrom<UserRow> for Drink {
    type Error = Error;

    fn try_from(row: UserRow) -> Result<Self, Error> {
        Ok(Self { id: row.id, user_created: true, recipe: row.recipe()? })
    }
}

impl TryFrom<FavoriteRow> for Drink {
    type Error = Error;

    fn try_from(row: FavoriteRow) -> Result<Self, Error> {
        Ok(Self { id: row.drink_id, user_created: row.user_created, recipe: row.recipe()? })
    }
}

fn drinks<R>(rows: Vec<R>) -> Result<Vec<Drink>, Error>
where
    Drink: TryFrom<R, Error = Error>,
{
    rows.into_iter().map(Drink::try_from).collect()
}

/// A row of the catalogue, withdrawn ones too.
pub(super) async fn catalog_row(tx: &mut Tx, id: i64) -> Result<Option<CatalogRow>, Error> {
    Ok(on!(tx, conn => catalog_drinks::table
        .find(id)
        .select(CatalogRow::as_select())
        .first(conn)
        .await
        .optional())?)
}

/// A row of a customer's drink, deleted ones too.
pub(super) async fn user_row(tx: &mut Tx, id: i64) -> Result<Option<UserRow>, Error> {
    Ok(on!(tx, conn => user_drinks::table.find(id).select(UserRow::as_select()).first(conn).await.optional())?)
}

/// A row of a favourite, removed ones too.
pub(super) async fn favorite_row(tx: &mut Tx, user: i64, drink: i64) -> Result<Option<FavoriteRow>, Error> {
    Ok(on!(tx, conn => favorites::table
        .find((user, drink))
        .select(FavoriteRow::as_select())
        .first(conn)
        .await
        .optional())?)
}

/// The catalogue in order of numbers.
pub(super) async fn catalogue(tx: &mut Tx, limit: i64) -> Result<Vec<Drink>, Error> {
    let rows: Vec<CatalogRow> = on!(tx, conn => catalog_drinks::table
        .filter(catalog_drinks::withdrawn.eq(false))
        .order(catalog_drinks::id)
        .limit(limit)
        .select(CatalogRow::as_select())
        .load(conn)
        .await)?;
    drinks(rows)
}

/// Those of the drinks that are in the catalogue.
pub(super) async fn catalogue_among(tx: &mut Tx, ids: Vec<i64>) -> Result<Vec<Drink>, Error> {
    let rows: Vec<CatalogRow> = on!(tx, conn => catalog_drinks::table
        .filter(catalog_drinks::withdrawn.eq(false))
        .filter(catalog_drinks::id.eq_any(ids))
        .select(CatalogRow::as_select())
        .load(conn)
        .await)?;
    drinks(rows)
}

/// Those of the drinks that customers made.
pub(super) async fn user_drinks_among(tx: &mut Tx, ids: Vec<i64>) -> Result<Vec<UserRow>, Error> {
    Ok(on!(tx, conn => user_drinks::table
        .filter(user_drinks::deleted.eq(false))
        .filter(user_drinks::id.eq_any(ids))
        .select(UserRow::as_select())
        .load(conn)
        .await)?)
}

/// Customers' drinks with their owners, made before a time at the node of this number, that nobody has among the
/// favourites; the oldest first.
pub(super) async fn old_of_node(tx: &mut Tx, before: Time, node: u32, limit: i64) -> Result<Vec<(i64, i64)>, Error> {
    let node = i64::from(node);
    Ok(on!(tx, conn => user_drinks::table
        .filter(user_drinks::deleted.eq(false))
        .filter(user_drinks::created_at.lt(before))
        .filter(user_drinks::id.ge(STRIDE))
        .filter((user_drinks::id - user_drinks::id / STRIDE * STRIDE).eq(node))
        .filter(user_drinks::id.ne_all(
            favorites::table.filter(favorites::present.eq(true)).select(favorites::drink_id),
        ))
        .order((user_drinks::created_at, user_drinks::id))
        .limit(limit)
        .select((user_drinks::id, user_drinks::owner))
        .load(conn)
        .await)?)
}

/// As [`old_of_node`], wherever they were made; imported ones are not among them.
pub(super) async fn old_of_all(tx: &mut Tx, before: Time, limit: i64) -> Result<Vec<(i64, i64)>, Error> {
    Ok(on!(tx, conn => user_drinks::table
        .filter(user_drinks::deleted.eq(false))
        .filter(user_drinks::created_at.lt(before))
        .filter(user_drinks::id.ge(STRIDE))
        .filter(user_drinks::id.ne_all(
            favorites::table.filter(favorites::present.eq(true)).select(favorites::drink_id),
        ))
        .order((user_drinks::created_at, user_drinks::id))
        .limit(limit)
        .select((user_drinks::id, user_drinks::owner))
        .load(conn)
        .await)?)
}

/// A user's favourites in order of the drinks' numbers.
pub(super) async fn favorites(tx: &mut Tx, user: i64, limit: i64) -> Result<Vec<Drink>, Error> {
    let rows: Vec<FavoriteRow> = on!(tx, conn => favorites::table
        .filter(favorites::user_id.eq(user))
        .filter(favorites::present.eq(true))
        .order(favorites::drink_id)
        .limit(limit)
        .select(FavoriteRow::as_select())
        .load(conn)
        .await)?;
    drinks(rows)
}

/// Those of the drinks that are among the user's favourites.
pub(super) async fn favorites_among(tx: &mut Tx, user: i64, ids: Vec<i64>) -> Result<Vec<Drink>, Error> {
    let rows: Vec<FavoriteRow> = on!(tx, conn => favorites::table
        .filter(favorites::user_id.eq(user))
        .filter(favorites::present.eq(true))
        .filter(favorites::drink_id.eq_any(ids))
        .select(FavoriteRow::as_select())
        .load(conn)
        .await)?;
    drinks(rows)
}

/// How many favourites a user has.
pub(super) async fn favorite_count(tx: &mut Tx, user: i64) -> Result<i64, Error> {
    Ok(on!(tx, conn => favorites::table
        .filter(favorites::user_id.eq(user))
        .filter(favorites::present.eq(true))
        .count()
        .get_result(conn)
        .await)?)
}

/// Keeps a row of the catalogue.
pub(super) async fn put_catalog(tx: &mut Tx, row: &CatalogRow) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(catalog_drinks::table)
        .values(row)
        .on_conflict(catalog_drinks::id)
        .do_update()
        .set(row)
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Keeps a row of a customer's drink.
pub(super) async fn put_user(tx: &mut Tx, row: &UserRow) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(user_drinks::table)
        .values(row)
        .on_conflict(user_drinks::id)
        .do_update()
        .set(row)
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Keeps a row of a favourite.
pub(super) async fn put_favorite(tx: &mut Tx, row: &FavoriteRow) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(favorites::table)
        .values(row)
        .on_conflict((favorites::user_id, favorites::drink_id))
        .do_update()
        .set(row)
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Rows of the catalogue after a number, in order.
pub(super) async fn catalog_after(tx: &mut Tx, id: i64, limit: i64) -> Result<Vec<CatalogRow>, Error> {
    Ok(on!(tx, conn => catalog_drinks::table
        .filter(catalog_drinks::id.gt(id))
        .order(catalog_drinks::id)
        .limit(limit)
        .select(CatalogRow::as_select())
        .load(conn)
        .await)?)
}

/// Rows of customers' drinks after a number, in order.
pub(super) async fn user_after(tx: &mut Tx, id: i64, limit: i64) -> Result<Vec<UserRow>, Error> {
    Ok(on!(tx, conn => user_drinks::table
        .filter(user_drinks::id.gt(id))
        .order(user_drinks::id)
        .limit(limit)
        .select(UserRow::as_select())
        .load(conn)
        .await)?)
}

/// Rows of favourites after a key, in order.
pub(super) async fn favorites_after(
    tx: &mut Tx,
    (user, drink): (i64, i64),
    limit: i64,
) -> Result<Vec<FavoriteRow>, Error> {
    use diesel::BoolExpressionMethods as _;
    Ok(on!(tx, conn => favorites::table
        .filter(favorites::user_id.gt(user).or(favorites::user_id.eq(user).and(favorites::drink_id.gt(drink))))
        .order((favorites::user_id, favorites::drink_id))
        .limit(limit)
        .select(FavoriteRow::as_select())
        .load(conn)
        .await)?)
}

/// Removes every row about users who are deleted. Says whether there were any.
pub(super) async fn forget_deleted(tx: &mut Tx) -> Result<bool, Error> {
    use crate::storage::schema::users;
    let deleted = || users::table.filter(users::deleted.eq(true)).select(users::id);
    let favorites = on!(tx, conn => diesel::delete(favorites::table.filter(favorites::user_id.eq_any(deleted())))
        .execute(conn)
        .await)?;
    let drinks = on!(tx, conn => diesel::delete(user_drinks::table.filter(user_drinks::owner.eq_any(deleted())))
        .execute(conn)
        .await)?;
    let ratings = on!(tx, conn => diesel::delete(drink_ratings::table.filter(drink_ratings::user_id.eq_any(deleted())))
        .execute(conn)
        .await)?;
    Ok(favorites + drinks + ratings > 0)
}
