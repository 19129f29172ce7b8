//! Who writes while nodes die: each writer makes one thing after the other at one node and notes what was acknowledged.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use codepop_proto::{
    accounts::{RegisterRequest, accounts_service_client::AccountsServiceClient},
    catalog::{CreateDrinkRequest, catalog_service_client::CatalogServiceClient},
    operator::{CreateStaffAccountRequest, operator_service_client::OperatorServiceClient},
};
use codepop_shared::identity::Kind;
use tokio::{task::JoinHandle, time::timeout};
use tonic::{Status, transport::Channel};

use super::Dice;
use crate::harness::{Mesh, Operator, PASSWORD};

/// Longest that a writer waits for an answer: more than a started node holds its writes (3 s).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest pause between two writes of one writer, in milliseconds: load enough for every kill to hit something, and
/// little enough for the digests of 200 rounds to be computed in a moment.
const PAUSE_MAX: u64 = 40;

/// One in so many writes of a store is an account, which everyone gets; the others are drinks, which the region gets.
/// Hubs make accounts only.
const ACCOUNTS: u64 = 12;

/// Pause before a node that does not answer is asked again.
const AWAY_PAUSE: Duration = Duration::from_millis(30);

/// What was acknowledged: number and name.
#[derive(Clone, Debug, Default)]
pub struct Acknowledged {
    /// Drinks.
    pub drinks: Vec<(i64, String)>,
    /// Accounts.
    pub accounts: Vec<(i64, String)>,
    /// Writes of which nobody said what became of them.
    pub unknown: u64,
}

/// Writers at work.
#[derive(Debug)]
pub struct Writers {
    acknowledged: Arc<Mutex<Acknowledged>>,
    stopped: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Writers {
    /// One at each node.
    pub fn start(mesh: &Mesh, dice: &mut Dice) -> Self {
        let (acknowledged, stopped) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let mut tasks = Vec::new();
        for (node, at) in mesh.nodes.iter().enumerate() {
            let writer = Writer {
                node,
                is_hub: at.id.kind == Kind::Hub,
                address: at.proxy.address(),
                operator: mesh.operator().clone(),
                dice: dice.split(),
                acknowledged: Arc::clone(&acknowledged),
                stopped: Arc::clone(&stopped),
            };
            tasks.push(tokio::spawn(writer.run()));
        }
        Self { acknowledged, stopped, tasks }
    }

    /// How many writes were acknowledged so far, and of how many nobody knows.
    pub fn count(&self) -> (usize, u64) {
        let acknowledged = self.acknowledged.lock().unwrap();
        (acknowledged.drinks.len() + acknowledged.accounts.len(), acknowledged.unknown)
    }

    /// Ends them and says what was acknowledged.
    ///
    /// # Panics
    /// A writer was told something that makes no sense.
    pub async fn stop(self) -> Acknowledged {
        self.stopped.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.acknowledged.lock().unwrap().clone()
    }
}

struct Writer {
    node: usize,
    is_hub: bool,
    address: std::net::SocketAddr,
    operator: Operator,
    dice: Dice,
    acknowledged: Arc<Mutex<Acknowledged>>,
    stopped: Arc<AtomicBool>,
}

impl Writer {
    async fn run(mut self) {
        let mut channel = None;
        let mut number = 0_u64;
        while !self.stopped.load(Ordering::Relaxed) {
            let Some(open) = channel.clone() else {
                channel = self.operator.dial(self.address).await.ok();
                if channel.is_none() {
                    tokio::time::sleep(AWAY_PAUSE).await;
                }
                continue;
            };
            number += 1;
            let name = format!("chaos{}x{number}", self.node);
            let is_account = self.is_hub || self.dice.one_in(ACCOUNTS);
            let made = match (self.is_hub, is_account) {
                (true, _) => hire(open, &name).await,
                (_, true) => sign_up(open, &name).await,
                _ => make(open, &name).await,
            };
            if let Some(id) = made {
                let mut acknowledged = self.acknowledged.lock().unwrap();
                let of_kind = if is_account { &mut acknowledged.accounts } else { &mut acknowledged.drinks };
                of_kind.push((id, name));
            } else {
                self.acknowledged.lock().unwrap().unknown += 1;
                channel = None;
            }
            tokio::time::sleep(self.dice.millis(PAUSE_MAX)).await;
        }
    }
}

async fn make(channel: Channel, name: &str) -> Option<i64> {
    let drink = CreateDrinkRequest {
        name: name.to_owned(),
        soda_used: vec!["Sprite".to_owned()],
        price: Some(3.5),
        user_created: Some(true),
        ..CreateDrinkRequest::default()
    };
    let mut catalog = CatalogServiceClient::new(channel);
    let made = answer(timeout(ANSWER_TIMEOUT, catalog.create_drink(drink)).await.ok()?)?;
    Some(made.into_inner().drink.unwrap().drink_id)
}

async fn sign_up(channel: Channel, name: &str) -> Option<i64> {
    let user = RegisterRequest {
        username: name.to_owned(),
        password: PASSWORD.to_owned(),
        email: None,
        ..RegisterRequest::default()
    };
    let mut accounts = AccountsServiceClient::new(channel);
    let made = answer(timeout(ANSWER_TIMEOUT, accounts.register(user)).await.ok()?)?;
    Some(made.into_inner().user_id)
}

async fn hire(channel: Channel, name: &str) -> Option<i64> {
    let user = CreateStaffAccountRequest {
        username: name.to_owned(),
        password: PASSWORD.to_owned(),
        ..CreateStaffAccountRequest::default()
    };
    let mut operator = OperatorServiceClient::new(channel);
    let made = answer(timeout(ANSWER_TIMEOUT, operator.create_staff_account(user)).await.ok()?)?;
    Some(made.into_inner().user_id)
}

/// What came back, if the write was acknowledged. Nodes that die, start or stop may say so; nothing else may go wrong.
fn answer<T>(answer: Result<T, Status>) -> Option<T> {
    use tonic::Code::{Aborted, Cancelled, DeadlineExceeded, ResourceExhausted, Unavailable, Unknown};
    answer
        .inspect_err(|status| {
            let is_passing =
                matches!(status.code(), Aborted | Cancelled | DeadlineExceeded | ResourceExhausted | Unavailable | Unknown);
            assert!(is_passing, "a write was answered {status:?}");
        })
        .ok()
}
