//! Writes a site's data into its database, through the operations of the nouns: people, sales, stock, favourites, the
//! machine, and what the store reports of it.

use std::sync::Arc;

use chrono::{DateTime, NaiveTime, Utc};
use codepop_proto::{catalog::UserDrinkSaved, roles::Role};
use codepop_shared::number;
use futures::future::BoxFuture;
use uuid::Uuid;

use super::{
    Random,
    goods::{self, Offer},
    network::{HOME, Site},
    people::{self, Person, Post},
    trade::{self, Sale, Shelf, Span},
};
use crate::{
    accounts::{self, Brought, UserName},
    app::{AccountFinder, App, DrinkFinder, Lookup, Sightings},
    auth::{Customer, Permit, Place},
    catalog::{self, Drink, Owner},
    inventory::{self, Cause, import::Past},
    journal,
    maintenance::{self, State},
    notifications::{self, To},
    orders::{self, Order, OrderDrink},
    payments::{
        self, Amount,
        import::{Back, Paid},
    },
    preferences, reports,
    roles::{self, NewAssignment},
    storage::{
        self, Tx,
        types::{Id, Time},
    },
    stores,
};

/// Orders that one transaction keeps: enough to make the sync to the disk cheap.
const ORDERS_AT_A_TIME: usize = 100;

/// Favourites and preferences of each known customer.
const FAVORITES: usize = 3;

/// What known customers may like.
const LIKED: &[&str] =
    &["vanilla", "coconut", "blue raspberry", "sprite", "dr. pepper", "cream", "peach", "lime wedge"];

/// States of machines, what is noted of them, and how likely they are.
const TROUBLES: [(State, &str, u64); 5] = [
    (State::Normal, "", 70),
    (State::Warning, "Syrup pump 3 is slow.", 16),
    (State::ScheduleService, "The filter is due next month.", 6),
    (State::Error, "The carbonator loses pressure.", 5),
    (State::OutOfOrder, "The main valve does not open.", 3),
];

/// What is the same for all sites.
#[derive(Clone, Debug)]
pub struct Data {
    /// Where chance begins.
    pub seed: u64,
    /// The days with orders.
    pub span: Span,
    /// The one password's hash.
    pub hash: String,
    /// All sites.
    pub sites: Vec<Site>,
}

/// Why a site has no data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// Something could not be said.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// A store could not be described.
    #[error(transparent)]
    Stores(#[from] stores::Error),
    /// A drink could not be published or liked.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// The shelves do not add up.
    #[error(transparent)]
    Inventory(#[from] inventory::Error),
    /// The machine could not be set up.
    #[error(transparent)]
    Maintenance(#[from] maintenance::Error),
    /// The data make no sense: a mistake in this module.
    #[error("the test data make no sense: {0}")]
    Senseless(String),
}

/// There are no peers.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl AccountFinder for Alone {
    fn find(&self, _account: Lookup) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(false))
    }
}

impl DrinkFinder for Alone {
    fn find_drink(&self, _drink: i64) -> BoxFuture<'_, Option<UserDrinkSaved>> {
        Box::pin(std::future::ready(None))
    }
}

impl Sightings for Alone {
    fn last_seen(&self, _node: Uuid) -> Option<DateTime<Utc>> {
        None
    }

    fn is_linked(&self, _node: Uuid) -> bool {
        false
    }
}

impl Alone {
    /// What operations are handed that need no network.
    pub fn app(db: storage::Db) -> App {
        let alone = Arc::new(Self);
        App { db, finder: alone.clone(), drinks: alone.clone(), sightings: alone }
    }
}

/// No user is involved.
static OPERATOR: Permit = Permit { user: None, trail: None };

/// Fills the database of a site, which answers at `url`. Called once: a second time would make everything twice.
///
/// # Errors
/// The database failed, or a noun refused what it was given.
pub async fn fill(app: &App, data: &Data, site: &Site, url: &str) -> Result<(), Error> {
    describe(app, site, url).await?;
    let people = people::of(data.seed, site, &data.sites);
    born(app, data, site, people.clone()).await?;
    if site.is_hub() {
        return if site.region == HOME { publish(app).await } else { Ok(()) };
    }
    let menu = goods::menu();
    let customers: Vec<i64> = people.iter().filter(|person| person.post.is_none()).map(|person| person.user).collect();
    let sales = trade::sales(data.seed, site, data.span, &customers, &menu);
    let shelves = trade::shelves(data.seed, site, data.span, &sales, &menu);
    let orders = keep_orders(app, &sales).await?;
    stock(app, shelves, orders).await?;
    for person in people.iter().filter(|person| person.username.starts_with("user")) {
        like(app, data.seed, person, &menu).await?;
    }
    machine(app, data.seed, site).await?;
    let days_back = reports::BACKFILL_DAYS;
    app.write(&OPERATOR, move |tx| {
        Box::pin(async move {
            let now = tx.clock.wall();
            reports::report(tx, now, days_back).await?;
            Ok(())
        })
    })
    .await
}

/// Sets the machine up. Most work; those of stores that a demonstration begins with do, and the third one warns.
async fn machine(app: &App, seed: u64, site: &Site) -> Result<(), Error> {
    let mut random = Random::new(seed, &format!("machine of {}", site.number));
    let chance = random.weighted(&TROUBLES.map(|(_, _, weight)| weight));
    let (state, note, _) = TROUBLES[match site.rank {
        0 | 1 => 0,
        2 => 1,
        _ => chance,
    }];
    app.write(&OPERATOR, move |tx| {
        Box::pin(async move {
            maintenance::install(tx).await?;
            for machine in maintenance::own(tx).await? {
                maintenance::set_state(tx, machine.id, state, None, note).await?;
            }
            Ok(())
        })
    })
    .await
}

async fn describe(app: &App, site: &Site, url: &str) -> Result<(), Error> {
    let place = site.place().ok_or_else(|| Error::Senseless(format!("{} is nowhere", site.name)))?;
    let described = stores::Described {
        name: site.name.clone(),
        place,
        api_base_url: url.to_owned(),
        time_zone: Some(site.zone),
        region_name: None,
    };
    stores::describe_self(app, described).await?;
    if site.is_hub() {
        return Ok(());
    }
    let change = stores::Change {
        store_number: Some(site.code.clone()),
        street_address: Some(site.street.clone()),
        city: Some(site.city.to_owned()),
        state: Some(site.state.to_owned()),
        zip_code: Some(site.zip.to_owned()),
        ..stores::Change::default()
    };
    stores::update(app, &OPERATOR, app.author().id.uuid, change).await?;
    Ok(())
}

/// Makes the accounts, with the roles that this node may give.
async fn born(app: &App, data: &Data, site: &Site, people: Vec<Person>) -> Result<(), Error> {
    let hash = data.hash.clone();
    let created_at = data.span.first.and_time(NaiveTime::MIN).and_utc();
    let region = site.region;
    app.write(&OPERATOR, move |tx| {
        Box::pin(async move {
            for person in people {
                let user = journal::next_number(tx, "user").await?;
                if user != person.user {
                    return Err(Error::Senseless(format!("{} was to be {}, not {user}", person.username, person.user)));
                }
                let account = Brought {
                    user,
                    username: UserName::parse(&person.username).map_err(|why| Error::Senseless(why.to_owned()))?,
                    first_name: person.first_name.to_owned(),
                    last_name: person.last_name.to_owned(),
                    email: person.email(),
                    password_hash: Some(hash.clone()),
                    disabled: false,
                    role: None,
                    created_at,
                };
                accounts::bring(tx, account).await?;
                post(tx, &person, region).await?;
            }
            Ok(())
        })
    })
    .await
}

async fn post(tx: &mut Tx, person: &Person, region: &str) -> Result<(), Error> {
    let place = match person.post {
        // The operator gives what is for the whole chain.
        None | Some(Post::Chain(_)) => return Ok(()),
        Some(Post::Own(_)) => Place::Own,
        Some(Post::Store(_)) => Place::Store(tx.author.id.uuid),
        Some(Post::Region(_)) => Place::Region(region.to_owned()),
    };
    if let Some(post) = person.post {
        // Regional people are made at their region's hub.
        let hub = (post.role() == Role::LogisticsManager).then_some(tx.author.id.uuid);
        roles::assign(tx, &NewAssignment { user: person.user, role: post.role(), place, hub, by: 0 }).await?;
    }
    Ok(())
}

async fn publish(app: &App) -> Result<(), Error> {
    for (place, offer) in goods::menu().into_iter().enumerate() {
        let drink = catalog::create(app, &OPERATOR, Owner::Chain, offer.recipe, None).await?;
        if Some(drink.id) != number_of(place) {
            return Err(Error::Senseless(format!("{} got the number {}", drink.recipe.name, drink.id)));
        }
    }
    Ok(())
}

/// The number of a drink of the menu: the hub of the first stores publishes it.
fn number_of(place: usize) -> Option<i64> {
    let hub = super::sites(super::Profile::Demo).into_iter().find(Site::is_hub)?;
    number::compose(i64::try_from(place).ok()? + 1, hub.number)
}

/// Keeps the orders with their payments. Gives their numbers, in the order of the sales.
async fn keep_orders(app: &App, sales: &[Sale]) -> Result<Vec<i64>, Error> {
    let mut numbers = Vec::with_capacity(sales.len());
    for some in sales.chunks(ORDERS_AT_A_TIME) {
        let some = some.to_vec();
        let kept = app.write(&OPERATOR, move |tx| {
            Box::pin(async move {
                let mut kept = Vec::with_capacity(some.len());
                for sale in &some {
                    kept.push(keep_order(tx, sale).await?);
                }
                Ok::<_, Error>(kept)
            })
        });
        numbers.extend(kept.await?);
    }
    Ok(numbers)
}

async fn keep_order(tx: &mut Tx, sale: &Sale) -> Result<i64, Error> {
    let id = journal::next_number(tx, "order").await?;
    let mut drinks = Vec::with_capacity(sale.cups.len());
    for (position, cup) in (0..).zip(&sale.cups) {
        let drink = match cup.offer {
            Some(place) => number_of(place).ok_or_else(|| Error::Senseless("the menu is too long".to_owned()))?,
            // It was in a cart, and is gone by now.
            None => journal::next_number(tx, "drink").await?,
        };
        drinks.push(OrderDrink::new(id, position, drink, &cup.recipe));
    }
    let guest = sale.customer.is_none().then_some(Id(sale.payment));
    let order = Order {
        id,
        user_id: sale.customer,
        guest,
        status: sale.status,
        payment_intent: payments::import::intent(sale.payment),
        payment_status: None,
        remake_of: None,
        total_cents: sale.cents(),
        locker_code: sale.locker.clone(),
        locker_from_owner: false,
        created_at: Time(sale.at),
        pickup_time: sale.pickup.map(Time),
        await_arrival: false,
        preparation_minutes: sale.minutes,
        begins_at: Some(Time(sale.begins)),
        ready_at: Some(Time(sale.ready())),
        due_at: None,
        latitude: None,
        longitude: None,
    };
    orders::import::bring(tx, &order, drinks).await?;
    payments::import::bring(tx, &paid(id, sale)?).await?;
    Ok(id)
}

fn paid(order: i64, sale: &Sale) -> Result<Paid, Error> {
    let amount = |cents| Amount::new(cents).ok_or_else(|| Error::Senseless(format!("an order costs {cents} cents")));
    let back = sale.back.as_ref().map(|back| {
        Ok::<_, Error>(Back { id: back.id, amount: amount(back.cents)?, why: back.why.to_owned(), at: back.at })
    });
    let guest = sale.customer.is_none().then_some(sale.payment);
    Ok(Paid {
        id: sale.payment,
        order,
        owner: Customer { user: sale.customer, guest },
        amount: amount(sale.cents())?,
        at: sale.at,
        back: back.transpose()?,
    })
}

/// Fills the shelves; the staff hear of what is low.
async fn stock(app: &App, shelves: Vec<Shelf>, orders: Vec<i64>) -> Result<(), Error> {
    app.write(&OPERATOR, move |tx| {
        Box::pin(async move {
            for shelf in shelves {
                let past = shelf.moves.iter().map(|moved| {
                    let order = moved.sale.and_then(|sale| orders.get(sale)).copied();
                    Past { change: moved.change, cause: Cause { order, ..Cause::of(moved.reason) }, at: moved.at }
                });
                let past = past.collect();
                let item = inventory::import::bring_past(tx, shelf.name, shelf.kind, shelf.threshold, past).await?;
                if item.quantity <= item.threshold {
                    let message = format!("{} is running low: {} left.", item.name, item.quantity);
                    notifications::notify(tx, To::Staff, "low_stock", &message).await?;
                }
            }
            Ok(())
        })
    })
    .await
}

/// Favourites and preferences of somebody.
async fn like(app: &App, seed: u64, person: &Person, menu: &[Offer]) -> Result<(), Error> {
    let mut random = Random::new(seed, &format!("taste of {}", person.username));
    let user = person.user;
    let customer = Customer { user: Some(user), guest: None };
    for _ in 0..FAVORITES {
        let place = usize::try_from(random.below(menu.len() as u64)).unwrap_or_default();
        let (Some(offer), Some(id)) = (menu.get(place), number_of(place)) else { continue };
        let drink = Drink { id, user_created: false, recipe: offer.recipe.clone() };
        catalog::add_favorite(app, &OPERATOR, (user, customer), id, Some(drink)).await?;
    }
    let mut liked: Vec<&str> = (0..FAVORITES).map(|_| *random.one_of(LIKED)).collect();
    liked.sort_unstable();
    liked.dedup();
    app.write(&OPERATOR, move |tx| {
        Box::pin(async move {
            for name in liked {
                let id = journal::next_number(tx, "preference").await?;
                preferences::import::bring(tx, user, id, name.to_owned()).await?;
            }
            Ok(())
        })
    })
    .await
}
