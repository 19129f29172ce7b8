//! The view of those who administer: one store, some stores, the whole chain.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use codepop_proto::{dashboards as pb, options::Permission, reports::StoreReport};
use codepop_shared::{Code, Failure};
use uuid::Uuid;

use super::{
    ask::{Asker, STORES_ASKED_MAX},
    region::{hub_not_answered, not_answered},
};
use crate::{
    accounts,
    app::edge::{moment, storage_failure, timestamp},
    auth::{Actor, Place},
    reports, storage,
    stores::{self, Store},
};

/// What is known of stores, and of whom nothing came.
#[derive(Default)]
struct Answers {
    /// By store.
    reports: HashMap<Uuid, StoreReport>,
    /// Hubs, and stores that were asked themselves.
    silent: Vec<pb::NotAnswered>,
    /// The accounts of the chain, for whom sees all of it.
    accounts: Option<i64>,
}

impl Asker {
    /// One store: from itself if it is this node's, or if it answers; otherwise what it reported last.
    pub(super) async fn one(&self, actor: &Actor, id: Uuid) -> Result<pb::GetAdminDashboardResponse, Failure> {
        let found = self.app.read(move |tx| Box::pin(stores::find(tx, id))).await.map_err(Failure::from)?;
        let mut answers = Answers { accounts: self.accounts(actor).await?, ..Answers::default() };
        if self.app.author().id.uuid == id {
            let own = self.app.db.read_consistent(|tx| Box::pin(reports::now(tx))).await;
            answers.reports.insert(id, own.map_err(|error: storage::Error| storage_failure(&error))?);
        } else if self.is_hub() {
            self.of_stores(actor, std::slice::from_ref(&found.store), &mut answers).await?;
        } else {
            return Err(stores::Error::Elsewhere(id).into());
        }
        let whole = stores::view(&found, self.app.clock().wall(), self.app.sightings.last_seen(id));
        let mut view = self.view(vec![found.store], answers);
        if let Some(store) = view.stores.first_mut() {
            store.store = Some(whole);
        }
        Ok(view)
    }

    /// All stores that the caller administers.
    pub(super) async fn all(&self, actor: &Actor) -> Result<pb::GetAdminDashboardResponse, Failure> {
        if !self.is_hub() {
            return Err(Failure::new(Code::AskHub, "A hub puts the stores together; ask one, or name a store."));
        }
        let all = self.app.read(|tx| Box::pin(stores::all(tx))).await;
        let mut all = all.map_err(|error: storage::Error| storage_failure(&error))?;
        let mut answers = Answers { accounts: self.accounts(actor).await?, ..Answers::default() };
        if answers.accounts.is_some() {
            self.of_hubs(actor, &mut answers).await?;
        } else {
            all.retain(|store| actor.may(Permission::AdminDashboard, &Place::Store(store.id.0)).is_ok());
            all.truncate(STORES_ASKED_MAX);
            self.of_stores(actor, &all, &mut answers).await?;
        }
        Ok(self.view(all, answers))
    }

    /// The accounts of the chain, to whom sees all of it.
    async fn accounts(&self, actor: &Actor) -> Result<Option<i64>, Failure> {
        if actor.may(Permission::AdminDashboard, &Place::Chain).is_err() {
            return Ok(None);
        }
        let count = self.app.read(|tx| Box::pin(accounts::count(tx))).await;
        count.map(Some).map_err(|error: storage::Error| storage_failure(&error))
    }

    /// What the stores reported to their hubs.
    async fn of_hubs(&self, actor: &Actor, answers: &mut Answers) -> Result<(), Failure> {
        let user = actor.user()?.number;
        let hubs = self.app.read(|tx| Box::pin(stores::all_hubs(tx))).await;
        let hubs = hubs.map_err(|error: storage::Error| storage_failure(&error))?;
        let own = reports::region(&self.app, actor).await?;
        let mut chain = self.hubs(hubs, user).await;
        own.into_iter().for_each(|report| chain.take(report));
        answers.silent.extend(chain.silent.iter().map(hub_not_answered));
        answers.reports = chain.stores;
        Ok(())
    }

    /// What the stores say themselves; of those that do not, what they reported last, as far as a hub knows it.
    async fn of_stores(&self, actor: &Actor, asked: &[Store], answers: &mut Answers) -> Result<(), Failure> {
        let user = actor.user()?.number;
        answers.reports = self.stores(asked.iter().map(|store| store.id.0).collect(), user).await;
        let silent = || asked.iter().filter(|store| !answers.reports.contains_key(&store.id.0));
        if silent().next().is_none() {
            return Ok(());
        }
        let mut reported: HashMap<Uuid, StoreReport> = HashMap::new();
        let elsewhere = |store: &Store| store.region != self.app.author().id.region;
        if silent().any(elsewhere) {
            let hubs = self.app.read(|tx| Box::pin(stores::all_hubs(tx))).await;
            let mut hubs = hubs.map_err(|error: storage::Error| storage_failure(&error))?;
            hubs.retain(|hub| silent().any(|store| store.region == hub.region));
            reported = self.hubs(hubs, user).await.stores;
        }
        for report in reports::region(&self.app, actor).await? {
            if let Ok(id) = Uuid::parse_str(&report.store_id) {
                reported.insert(id, report);
            }
        }
        let away: Vec<Uuid> = silent().map(|store| store.id.0).collect();
        for id in away {
            // Whatever a hub hears of it, it did not answer now.
            let report = reported.remove(&id).map(|report| StoreReport { is_heard: false, ..report });
            answers.reports.extend(report.map(|report| (id, report)));
        }
        Ok(())
    }

    fn view(&self, stores: Vec<Store>, answers: Answers) -> pb::GetAdminDashboardResponse {
        let report = |store: &Store| answers.reports.get(&store.id.0).filter(|report| report.as_of.is_some());
        let silent = stores.iter().filter_map(|store| match report(store) {
            Some(report) if report.is_heard => None,
            said => Some(not_answered(store, said.and_then(as_of))),
        });
        let not_answered = answers.silent.iter().cloned().chain(silent).collect();
        let known: Vec<&StoreReport> = stores.iter().filter_map(report).collect();
        let customers = known.iter().map(|report| report.customers).sum();
        let metrics = pb::AdminMetrics {
            total_users: answers.accounts.unwrap_or(customers),
            total_orders: known.iter().map(|report| report.orders).sum(),
            total_revenue: dollars(known.iter().map(|report| revenue(report)).sum()),
        };
        let mut regions: BTreeMap<&str, Vec<Option<&StoreReport>>> = BTreeMap::new();
        for store in &stores {
            regions.entry(&store.region).or_default().push(report(store));
        }
        let regions = regions.into_iter().map(|(code, reports)| region(code, &reports)).collect();
        let stores = stores.iter().map(|store| administered(store, report(store))).collect();
        let as_of = Some(timestamp(self.app.clock().wall()));
        pb::GetAdminDashboardResponse { stores, metrics: Some(metrics), regions, not_answered, as_of }
    }
}

fn as_of(report: &StoreReport) -> Option<DateTime<Utc>> {
    report.as_of.as_ref().and_then(moment)
}

const fn revenue(report: &StoreReport) -> i64 {
    report.sales_cents - report.refunds_cents
}

#[allow(clippy::cast_precision_loss, reason = "cents of a chain stay below 2^53")]
fn dollars(cents: i64) -> f64 {
    cents as f64 / 100.0
}

fn region(code: &str, stores: &[Option<&StoreReport>]) -> pb::RegionMetrics {
    let known = || stores.iter().copied().flatten();
    pb::RegionMetrics {
        region_code: code.to_owned(),
        stores: super::region::count(stores.len()),
        reported: super::region::count(known().count()),
        total_orders: known().map(|report| report.orders).sum(),
        total_revenue: dollars(known().map(revenue).sum()),
        as_of: known().filter_map(as_of).min().map(timestamp),
    }
}

fn administered(store: &Store, report: Option<&StoreReport>) -> pb::AdministeredStore {
    let figures = |report: &StoreReport| pb::StoreFigures {
        as_of: report.as_of,
        users: report.customers,
        orders: report.orders,
        pending_orders: report.pending_orders,
        revenue: dollars(revenue(report)),
        refunds: dollars(report.refunds_cents),
        complaints: report.complaints,
        open_complaints: report.open_complaints,
        stock_items: report.items,
        stock_units: report.units,
        low_stock_items: report.low_items,
        out_of_stock_items: report.missing_items,
        stock_cost: None,
        maintenance_cost: None,
        machine_status: Some(report.machine_status.clone()).filter(|word| !word.is_empty()),
    };
    pb::AdministeredStore {
        store_id: store.id.0.to_string(),
        store_number: store.store_number.clone(),
        name: store.name.clone(),
        region_code: store.region.clone(),
        city: store.city.clone(),
        state: store.state.clone(),
        is_operational: store.is_operational,
        is_accepting_orders: store.is_accepting_orders,
        figures: report.map(figures),
        store: None,
    }
}
