//! The gRPC face of stores.

use std::sync::Arc;

use codepop_proto::{
    options::Permission,
    stores::{self as pb, stores_service_server::StoresService},
};
use codepop_shared::{Failure, geo::Place};
use tonic::{Request, Response, Status, async_trait};

use super::{Change, Error, Found, QueueLength, StockSummary, Zone, hours::Hours, view};
use crate::{
    app::{
        App,
        edge::{self, Problems},
    },
    auth::{self, Actor},
    storage,
};

/// Radius of a search in miles when none is given (Task 1.3).
const RADIUS_DEFAULT: f64 = 50.0;

/// The largest radius in miles: half of the Earth's circumference, rounded up.
const RADIUS_MAX: f64 = 12_500.0;

/// Serves `StoresService`.
pub struct StoresRpc {
    app: App,
    stock: Arc<dyn StockSummary>,
    queue: Arc<dyn QueueLength>,
}

impl StoresRpc {
    /// The service, with what sums up the stock and the queue of this node's store.
    pub fn new(app: App, stock: Arc<dyn StockSummary>, queue: Arc<dyn QueueLength>) -> Self {
        Self { app, stock, queue }
    }

    /// The store as this node sees it: of its own it knows more.
    async fn view(&self, found: Found) -> Result<pb::Store, Failure> {
        let mut view = self.plain_view(&found);
        let author = self.app.author();
        if author.id.uuid == found.store.id.0 {
            let (summary, line) = (Arc::clone(&self.stock), Arc::clone(&self.queue));
            let own =
                self.app.read(|tx| Box::pin(async move { Ok((line.queue(tx).await?, summary.stock(tx).await?)) }));
            let (queue, stock) = own.await.map_err(|error: storage::Error| Error::from(error))?;
            view::add_own(&mut view, queue, stock);
        }
        Ok(view)
    }

    fn plain_view(&self, found: &Found) -> pb::Store {
        let (id, now) = (found.store.id.0, self.app.clock().wall());
        let here = self.app.author().id.uuid == id;
        view::store(found, now, if here { Some(now) } else { self.app.sightings.last_seen(id) })
    }
}

#[async_trait]
impl StoresService for StoresRpc {
    async fn discover_stores(
        &self,
        request: Request<pb::DiscoverStoresRequest>,
    ) -> Result<Response<pb::DiscoverStoresResponse>, Status> {
        let (from, radius) = around(&request.into_inner())?;
        let found = self.app.read(move |tx| Box::pin(super::discover(tx, from, radius))).await;
        let found = found.map_err(Error::from).map_err(Failure::from)?;
        let stores = found.iter().map(|found| self.plain_view(found)).collect();
        Ok(Response::new(pb::DiscoverStoresResponse { stores }))
    }

    async fn get_store(&self, request: Request<pb::GetStoreRequest>) -> Result<Response<pb::GetStoreResponse>, Status> {
        let id = edge::uuid("store_id", &request.get_ref().store_id)?;
        let found = self.app.read(move |tx| Box::pin(super::find(tx, id))).await.map_err(Failure::from)?;
        Ok(Response::new(pb::GetStoreResponse { store: Some(self.view(found).await?) }))
    }

    async fn update_store(
        &self,
        request: Request<pb::UpdateStoreRequest>,
    ) -> Result<Response<pb::UpdateStoreResponse>, Status> {
        let actor = Actor::of(&request)?;
        let request = request.into_inner();
        let id = edge::uuid("store_id", &request.store_id)?;
        let permit = actor.may(Permission::StoreWrite, &auth::Place::Store(id))?;
        let change = change(request)?;
        let found = super::update(&self.app, &permit, id, change).await.map_err(Failure::from)?;
        Ok(Response::new(pb::UpdateStoreResponse { store: Some(self.view(found).await?) }))
    }
}

fn around(request: &pb::DiscoverStoresRequest) -> Result<(Place, f64), Failure> {
    let mut problems = Problems::default();
    let degrees = |given: Option<f64>, max: f64| match given {
        None => Err("must be given".to_owned()),
        Some(degrees) if degrees.abs() <= max => Ok(degrees),
        Some(_) => Err(format!("must be a number from -{max} to {max}")),
    };
    let latitude = problems.check("lat", degrees(request.lat, 90.0));
    let longitude = problems.check("lon", degrees(request.lon, 180.0));
    let radius = request.radius.unwrap_or(RADIUS_DEFAULT);
    if !(radius > 0.0 && radius <= RADIUS_MAX) {
        problems.add("radius", format!("must be a number above 0, at most {RADIUS_MAX}"));
    }
    problems.finish()?;
    let place = latitude.zip(longitude).and_then(|(latitude, longitude)| Place::new(latitude, longitude));
    Ok((place.ok_or_else(|| Failure::invalid("lat", "must be given"))?, radius))
}

fn change(request: pb::UpdateStoreRequest) -> Result<Change, Failure> {
    let mut problems = Problems::default();
    let hours = match Hours::parse(&request.hours_of_operation) {
        Ok(hours) => (!request.hours_of_operation.is_empty()).then_some(hours),
        Err(wrong) => {
            wrong.into_iter().for_each(|(at, problem)| problems.add(format!("hours_of_operation.{at}"), problem));
            None
        }
    };
    let time_zone = request.time_zone.and_then(|name| problems.check("time_zone", Zone::try_from(name)));
    problems.finish()?;
    let trimmed = |text: Option<String>| text.map(|text| text.trim().to_owned());
    let change = Change {
        store_number: trimmed(request.store_number),
        name: trimmed(request.name),
        street_address: trimmed(request.street_address),
        city: trimmed(request.city),
        state: trimmed(request.state),
        zip_code: trimmed(request.zip_code),
        phone: trimmed(request.phone),
        email: trimmed(request.email),
        is_operational: request.is_operational,
        is_accepting_orders: request.is_accepting_orders,
        hours,
        time_zone,
    };
    Ok(change)
}
