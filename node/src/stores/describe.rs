//! What a node says of itself at start: its store, or its hub and region. It speaks up when nothing was said yet and when
//! its configuration changed since; details that people changed in between stay.

use chrono::DateTime;
use codepop_proto::stores::{HubDescribed, RegionDescribed, StoreDescribed};
use codepop_shared::{geo::Place, identity::Kind};

use super::{
    Error, checks,
    hours::Hours,
    regions::{self, RADIUS_MILES},
    store::{self, Hub, Region, Store, Zone},
};
use crate::{
    app::{App, edge::Problems},
    auth::Permit,
    journal::{self, Audience},
    storage::{
        Tx,
        types::{Id, Time},
    },
};

/// The setting that keeps what the configuration said when the node last described itself.
const SETTING: &str = "stores.described";

/// The zone of the chain's first stores.
const ZONE: chrono_tz::Tz = chrono_tz::America::Denver;

/// How far a hub delivers when nothing else is said, in miles (Task 1.1).
const DELIVERY_MILES: i32 = 1_000;

/// What the node's configuration says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// Name for people.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// Address of the node.
    pub api_base_url: String,
    /// Time zone of the hours, if configured.
    pub time_zone: Option<chrono_tz::Tz>,
    /// Name of the hub's region, if configured.
    pub region_name: Option<String>,
}

/// Says what the configuration says, if there is anything new in it.
///
/// # Errors
/// The configuration holds what is not allowed (the fields are named), or the database failed.
pub async fn describe_self(app: &App, described: Described) -> Result<(), Error> {
    // The node speaks for itself; no user is involved.
    let permit = Permit::default();
    app.write(&permit, move |tx| {
        Box::pin(async move {
            match tx.author.id.kind {
                Kind::Store => describe_store(tx, &described).await,
                Kind::Hub => {
                    describe_hub(tx, &described).await?;
                    describe_region(tx, &described).await
                }
                Kind::Gateway | Kind::Operator => Ok(()),
            }?;
            Ok(store::put_setting(tx, SETTING, &described.fingerprint()).await?)
        })
    })
    .await
}

impl Described {
    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn is_news(&self, tx: &mut Tx) -> Result<bool, Error> {
        Ok(store::setting(tx, SETTING).await?.as_deref() != Some(self.fingerprint().as_str()))
    }
}

async fn describe_store(tx: &mut Tx, described: &Described) -> Result<(), Error> {
    let old = store::store(tx, tx.author.id.uuid).await?;
    if old.is_some() && !described.is_news(tx).await? {
        return Ok(());
    }
    let mut new = match &old {
        Some(store) => store.clone(),
        None => match before(tx).await? {
            Some(store) => store,
            None => first_store(tx)?,
        },
    };
    new.name = described.name.trim().to_owned();
    new.region = tx.author.id.region.clone();
    (new.latitude, new.longitude) = (described.place.latitude, described.place.longitude);
    new.api_base_url = described.api_base_url.clone();
    new.time_zone = described.time_zone.map_or(new.time_zone, Zone);
    if old.as_ref() != Some(&new) {
        refuse(checks::store(&new))?;
        journal::emit(tx, &Audience::Everyone, &StoreDescribed::from(&new)).await?;
    }
    Ok(())
}

/// The store as it was before this node took its place: what people said of it stays.
async fn before(tx: &mut Tx) -> Result<Option<Store>, Error> {
    let author = std::sync::Arc::clone(&tx.author);
    for replaced in &author.certificate.replaces {
        if let Some(store) = store::store(tx, replaced.uuid).await? {
            return Ok(Some(Store { id: Id(author.id.uuid), ..store }));
        }
    }
    Ok(None)
}

/// As [`before`], of a hub.
async fn hub_before(tx: &mut Tx) -> Result<Option<Hub>, Error> {
    let author = std::sync::Arc::clone(&tx.author);
    for replaced in &author.certificate.replaces {
        if let Some(hub) = store::hub(tx, replaced.uuid).await? {
            return Ok(Some(Hub { id: Id(author.id.uuid), ..hub }));
        }
    }
    Ok(None)
}

fn first_store(tx: &Tx) -> Result<Store, Error> {
    let id = &tx.author.id;
    let damaged = || crate::storage::Error::Damaged("the hours of a new store make no sense".into());
    Ok(Store {
        id: Id(id.uuid),
        region: id.region.clone(),
        store_number: format!("{}-{}", id.region, id.number),
        name: String::new(),
        street_address: String::new(),
        city: String::new(),
        state: String::new(),
        zip_code: String::new(),
        latitude: 0.0,
        longitude: 0.0,
        phone: String::new(),
        email: String::new(),
        api_base_url: String::new(),
        is_operational: true,
        is_accepting_orders: true,
        hours: Hours::every_day("06:00", "22:00").ok_or_else(damaged)?,
        time_zone: Zone(ZONE),
        created_at: now(tx),
    })
}

async fn describe_hub(tx: &mut Tx, described: &Described) -> Result<(), Error> {
    let id = tx.author.id.clone();
    let old = store::hub(tx, id.uuid).await?;
    if old.is_some() && !described.is_news(tx).await? {
        return Ok(());
    }
    let known = match &old {
        Some(hub) => Some(hub.clone()),
        None => hub_before(tx).await?,
    };
    let first = || Hub {
        id: Id(id.uuid),
        region: id.region.clone(),
        name: String::new(),
        street_address: String::new(),
        city: String::new(),
        state: String::new(),
        zip_code: String::new(),
        latitude: 0.0,
        longitude: 0.0,
        phone: String::new(),
        email: String::new(),
        api_base_url: String::new(),
        is_operational: true,
        max_delivery_distance_miles: DELIVERY_MILES,
        created_at: now(tx),
    };
    let new = Hub {
        name: described.name.trim().to_owned(),
        region: id.region.clone(),
        latitude: described.place.latitude,
        longitude: described.place.longitude,
        api_base_url: described.api_base_url.clone(),
        ..known.unwrap_or_else(first)
    };
    if old.as_ref() != Some(&new) {
        refuse(checks::hub(&new))?;
        journal::emit(tx, &Audience::Everyone, &HubDescribed::from(&new)).await?;
    }
    Ok(())
}

async fn describe_region(tx: &mut Tx, described: &Described) -> Result<(), Error> {
    let code = tx.author.id.region.clone();
    let old = store::region(tx, &code).await?;
    if old.is_some() && (described.region_name.is_none() || !described.is_news(tx).await?) {
        return Ok(());
    }
    let first = || {
        let known = regions::find(&code);
        Region {
            code: code.clone(),
            name: known.map_or_else(|| format!("Region {code}"), |known| known.name.to_owned()),
            center_latitude: known.map_or(described.place.latitude, |known| known.latitude),
            center_longitude: known.map_or(described.place.longitude, |known| known.longitude),
            service_radius_miles: RADIUS_MILES,
            created_at: now(tx),
        }
    };
    let mut new = old.clone().unwrap_or_else(first);
    new.name = described.region_name.as_ref().map_or(new.name, |name| name.trim().to_owned());
    if old.as_ref() != Some(&new) {
        refuse(checks::region(&new))?;
        journal::emit(tx, &Audience::Everyone, &RegionDescribed::from(&new)).await?;
    }
    Ok(())
}

fn refuse(wrong: checks::Wrong) -> Result<(), Error> {
    let mut problems = Problems::default();
    wrong.into_iter().for_each(|(field, problem)| problems.add(field, problem));
    Ok(problems.finish()?)
}

/// Now, to the microsecond that databases keep.
fn now(tx: &Tx) -> Time {
    Time(DateTime::from_timestamp_micros(tx.clock.wall().timestamp_micros()).unwrap_or_default())
}
