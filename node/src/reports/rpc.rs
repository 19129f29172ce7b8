//! What hubs ask: the hub of a region for its stores, a store for itself. The user on whose behalf they ask is looked up here,
//! in this node's own rows; nobody's token travels.

use chrono::{DateTime, Utc};
use codepop_proto::{
    options::Permission,
    reports::{self as pb, reports_service_server::ReportsService},
};
use codepop_shared::{Code, Failure, identity::Kind};
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use super::{Standing, StockSums, own, standings};
use crate::{
    accounts,
    app::{
        App,
        edge::{self, storage_failure, timestamp},
    },
    auth::{Actor, Place, User},
    inventory,
    maintenance::{self, Machine},
    storage::{self, Tx},
    stores,
};

/// Stores in one answer, as the contract says.
const STORES_MAX: usize = 1_000;

/// Serves `ReportsService`.
pub struct ReportsRpc {
    app: App,
}

impl ReportsRpc {
    /// The service.
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

/// Who asks, with the roles that this node knows of the user on whose behalf.
///
/// # Errors
/// The user is not known here, or is disabled or deleted: then nobody may see anything for them.
pub async fn on_behalf_of(app: &App, asking: Actor, user: i64) -> Result<Actor, Failure> {
    let grants = app.read(move |tx| Box::pin(accounts::grants(tx, user))).await;
    let grants = grants.map_err(|error: storage::Error| storage_failure(&error))?;
    let nobody = || Failure::new(Code::Forbidden, "You do not have permission to perform this action.");
    let user = User { number: user, session: Uuid::nil(), expires_at_us: 0, grants: grants.ok_or_else(nobody)? };
    // A hub is asking: that is word from a hub.
    Ok(Actor { user: Some(user), hub_heard: true, ..asking })
}

#[async_trait]
impl ReportsService for ReportsRpc {
    async fn get_region_report(
        &self,
        request: Request<pb::GetRegionReportRequest>,
    ) -> Result<Response<pb::GetRegionReportResponse>, Status> {
        let asking = Actor::of(&request)?;
        let request = request.into_inner();
        let actor = on_behalf_of(&self.app, asking, request.on_behalf_of).await?;
        let me = &self.app.author().id;
        if me.kind != Kind::Hub || me.region != request.region_code {
            Err(Failure::new(Code::NotFound, "This node is not the hub of that region."))?;
        }
        let stores = region(&self.app, &actor).await?;
        Ok(Response::new(pb::GetRegionReportResponse { stores }))
    }

    async fn get_store_report(
        &self,
        request: Request<pb::GetStoreReportRequest>,
    ) -> Result<Response<pb::GetStoreReportResponse>, Status> {
        let asking = Actor::of(&request)?;
        let request = request.into_inner();
        let id = edge::uuid("store_id", &request.store_id)?;
        let actor = on_behalf_of(&self.app, asking, request.on_behalf_of).await?;
        actor.may(Permission::AdminDashboard, &Place::Store(id))?;
        let store = self.app.db.read_consistent(move |tx| {
            Box::pin(async move {
                stores::require_here(tx, id).await?;
                Ok::<_, stores::Error>(now(tx).await?)
            })
        });
        Ok(Response::new(pb::GetStoreReportResponse { store: Some(store.await.map_err(Failure::from)?) }))
    }
}

/// What the stores of this hub's region reported, as far as the user may see it.
pub async fn region(app: &App, actor: &Actor) -> Result<Vec<pb::StoreReport>, Failure> {
    let code = app.author().id.region.clone();
    let read = app.db.read_consistent(move |tx| {
        Box::pin(async move {
            let stores = stores::of_region(tx, &code).await?;
            Ok((stores, standings(tx).await?.0, maintenance::all(tx).await?))
        })
    });
    let (stores, mut known, machines) = read.await.map_err(|error: storage::Error| storage_failure(&error))?;
    let all = actor.may(Permission::AdminDashboard, &Place::Region(app.author().id.region.clone())).is_ok();
    let may_see = |id: Uuid| all || actor.may(Permission::AdminDashboard, &Place::Store(id)).is_ok();
    let visible = stores.into_iter().map(|store| store.id.0).filter(|id| may_see(*id)).take(STORES_MAX);
    let report = |id: Uuid| {
        let standing = known.remove(&id).unwrap_or_default();
        reported(id, &standing, app.sightings.is_linked(id), maintenance::worst(&machines, id))
    };
    Ok(visible.map(report).collect())
}

/// How this node's store stands now, from its own rows.
///
/// # Errors
/// The database failed.
pub async fn now(tx: &mut Tx) -> Result<pb::StoreReport, storage::Error> {
    let (id, at) = (tx.author.id.uuid, tx.clock.wall());
    let mut stock = StockSums::default();
    match inventory::report(tx).await {
        Ok(items) => {
            for item in items {
                stock.items += 1;
                stock.units += i64::from(item.quantity);
                stock.low += i64::from(item.quantity <= item.threshold);
                stock.missing += i64::from(item.quantity == 0);
            }
        }
        Err(inventory::Error::Storage(error)) => return Err(error),
        Err(_) => {}
    }
    let machines = maintenance::own(tx).await?;
    let totals = own::totals(tx).await?;
    Ok(view(id, Some(at), true, &totals, stock, maintenance::worst(&machines, id)))
}

/// How a store stands by what it reported.
fn reported(id: Uuid, standing: &Standing, is_heard: bool, machine: Option<&Machine>) -> pb::StoreReport {
    let totals = standing.totals.as_ref().map(super::said_totals).unwrap_or_default();
    // Without figures it has told its hub nothing, whatever the region knows of its stock.
    let as_of = standing.totals.as_ref().and(standing.as_of);
    view(id, as_of, is_heard, &totals, standing.stock, machine)
}

fn view(
    id: Uuid,
    as_of: Option<DateTime<Utc>>,
    is_heard: bool,
    totals: &pb::Totals,
    stock: StockSums,
    machine: Option<&Machine>,
) -> pb::StoreReport {
    pb::StoreReport {
        store_id: id.to_string(),
        as_of: as_of.map(timestamp),
        is_heard,
        orders: totals.orders,
        sales_cents: totals.sales_cents,
        refunds_cents: totals.refunds_cents,
        customers: totals.customers,
        pending_orders: totals.pending_orders,
        complaints: totals.complaints,
        open_complaints: totals.open_complaints,
        items: stock.items,
        units: stock.units,
        low_items: stock.low,
        missing_items: stock.missing,
        machine_status: machine.map(|machine| machine.state.word().to_owned()).unwrap_or_default(),
    }
}
