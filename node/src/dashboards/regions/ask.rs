//! Questions to other nodes, all at once and with one deadline: who does not answer by then is named.

use std::{collections::HashMap, sync::Arc, time::Duration};

use codepop_proto::reports::{
    GetRegionReportRequest, GetStoreReportRequest, StoreReport, reports_service_client::ReportsServiceClient,
};
use codepop_shared::identity::Kind;
use futures::future::join_all;
use tokio::time::{Instant, timeout_at};
use tonic::Status;
use uuid::Uuid;

use crate::{
    app::{App, Dial},
    stores::Hub,
};

/// How long the view of the chain waits for hubs and stores. A hub far away answers in some tenths of a second.
pub(super) const DEADLINE: Duration = Duration::from_secs(3);

/// Stores that one administrator's view asks: more than anybody administers.
pub(super) const STORES_ASKED_MAX: usize = 100;

/// Asks other nodes on behalf of a user.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) app: App,
    pub(super) dial: Arc<dyn Dial>,
}

/// What the hubs answered.
pub(super) struct Chain {
    /// What the stores reported, each to its hub; of two hubs the newer.
    pub(super) stores: HashMap<Uuid, StoreReport>,
    /// The hubs that did not answer.
    pub(super) silent: Vec<Hub>,
}

impl Asker {
    /// Whether this node can ask: stores and hubs answer hubs alone.
    pub(super) fn is_hub(&self) -> bool {
        self.app.author().id.kind == Kind::Hub
    }

    /// Asks hubs, other than this one, for what the stores of their regions reported.
    pub(super) async fn hubs(&self, hubs: Vec<Hub>, user: i64) -> Chain {
        let deadline = Instant::now() + DEADLINE;
        let me = self.app.author().id.uuid;
        let asked = hubs.into_iter().filter(|hub| hub.id.0 != me);
        let answers = join_all(asked.map(async |hub| {
            let answer = timeout_at(deadline, self.hub(&hub, user)).await.ok().flatten();
            (hub, answer)
        }));
        let mut chain = Chain { stores: HashMap::new(), silent: Vec::new() };
        for (hub, answer) in answers.await {
            match answer {
                Some(stores) => stores.into_iter().for_each(|store| chain.take(store)),
                None => chain.silent.push(hub),
            }
        }
        chain
    }

    /// Asks stores how they stand; those that do not answer are left out.
    pub(super) async fn stores(&self, stores: Vec<Uuid>, user: i64) -> HashMap<Uuid, StoreReport> {
        let deadline = Instant::now() + DEADLINE;
        let asked = stores.into_iter().take(STORES_ASKED_MAX);
        let answers = join_all(asked.map(async |store| {
            let answer = timeout_at(deadline, self.store(store, user)).await.ok().flatten();
            Some((store, answer?))
        }));
        answers.await.into_iter().flatten().collect()
    }

    async fn hub(&self, hub: &Hub, user: i64) -> Option<Vec<StoreReport>> {
        let mut client = ReportsServiceClient::new(self.dial.dial(hub.id.0).await?);
        let request = GetRegionReportRequest { region_code: hub.region.clone(), on_behalf_of: user };
        match client.get_region_report(request).await {
            Ok(answer) => Some(answer.into_inner().stores),
            Err(status) => self.failed(hub.id.0, &status),
        }
    }

    async fn store(&self, store: Uuid, user: i64) -> Option<StoreReport> {
        let mut client = ReportsServiceClient::new(self.dial.dial(store).await?);
        let request = GetStoreReportRequest { store_id: store.to_string(), on_behalf_of: user };
        match client.get_store_report(request).await {
            // What it says of another store is not its to say.
            Ok(answer) => answer.into_inner().store.filter(|said| said.store_id == store.to_string()),
            Err(status) => self.failed(store, &status),
        }
    }

    fn failed<T>(&self, node: Uuid, status: &Status) -> Option<T> {
        tracing::debug!(peer.id = %node, code = ?status.code(), "a node did not say how it stands");
        self.dial.lost(node);
        None
    }
}

impl Chain {
    /// Counts in what a hub says of a store.
    pub(super) fn take(&mut self, report: StoreReport) {
        let Ok(id) = Uuid::parse_str(&report.store_id) else { return };
        let at = |report: &StoreReport| report.as_of.map(|at| (at.seconds, at.nanos));
        match self.stores.get(&id) {
            Some(held) if at(held) >= at(&report) => {}
            _ => drop(self.stores.insert(id, report)),
        }
    }
}
