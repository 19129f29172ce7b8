//! How long until what a customer writes at one store is read at another: through real sockets and real commits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use codepop_proto::accounts::{
    GetProfileRequest, UpdateProfileRequest, accounts_service_client::AccountsServiceClient,
};
use tokio::{sync::Semaphore, time::MissedTickBehavior};
use tonic::{Request, transport::Channel};

use super::http::percentile;
use crate::harness::Mesh;

/// Customers who write: enough that none waits for its own row.
const WRITERS: usize = 32;

/// Writes under way at once.
const UNDER_WAY_MAX: usize = 256;

/// Time between the writes of the one customer who is watched.
const PROBE_EVERY: Duration = Duration::from_millis(20);

/// Pause between two looks at the other store: short beside what is measured, and leaves the store its core.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A watched write that is not read elsewhere within this time counts as not held.
const VISIBLE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a run showed.
#[derive(Clone, Copy, Debug)]
pub struct Visible {
    /// Writes a second that were acknowledged.
    pub rate: f64,
    /// Half of the watched writes were read elsewhere within this time, from the moment they were sent.
    pub p50: Duration,
    /// 99 of 100 were.
    pub p99: Duration,
}

/// Customers of a mesh, signed up at store 1.
#[derive(Debug)]
pub struct Customers {
    tokens: Vec<String>,
    at_one: AccountsServiceClient<Channel>,
    at_two: AccountsServiceClient<Channel>,
}

fn as_user<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Token {token}").parse().unwrap());
    request
}

fn named(last_name: String) -> UpdateProfileRequest {
    UpdateProfileRequest { last_name: Some(last_name), ..UpdateProfileRequest::default() }
}

impl Customers {
    /// Signs them up at store 1 (node 1) and waits until everybody knows them.
    pub async fn of(mesh: &Mesh) -> Self {
        let mut tokens = Vec::new();
        for customer in 0..=WRITERS {
            tokens.push(mesh.sign_up(1, &format!("customer{customer}")).await.token);
        }
        mesh.settled().await;
        let at_one = AccountsServiceClient::new(mesh.channel(1).await);
        let at_two = AccountsServiceClient::new(mesh.channel(2).await);
        Self { tokens, at_one, at_two }
    }

    /// Writes at this rate for so long, and watches one customer's writes at store 2.
    pub async fn write(&self, per_second: u32, time: Duration) -> Visible {
        let start = Instant::now();
        let (done, end) = (Arc::new(AtomicU64::new(0)), start + time);
        let background = tokio::spawn(self.background(per_second, Arc::clone(&done), end));
        let mut taken = Vec::new();
        let mut every = tokio::time::interval(PROBE_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut number = 0;
        while Instant::now() < end {
            every.tick().await;
            number += 1;
            taken.push(self.probe(format!("probe{per_second}x{number}")).await);
            done.fetch_add(1, Ordering::Relaxed);
        }
        background.await.unwrap();
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52 writes")]
        let rate = done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
        taken.sort_unstable();
        Visible { rate, p50: percentile(&taken, 50), p99: percentile(&taken, 99) }
    }

    /// Writes once and reads elsewhere until it is there.
    async fn probe(&self, name: String) -> Duration {
        let (token, start) = (&self.tokens[WRITERS], Instant::now());
        self.at_one.clone().update_profile(as_user(named(name.clone()), token)).await.unwrap();
        loop {
            let answer = self.at_two.clone().get_profile(as_user(GetProfileRequest {}, token)).await.unwrap();
            if answer.into_inner().profile.unwrap().last_name == name || start.elapsed() > VISIBLE_TIMEOUT {
                return start.elapsed();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The other customers' writes: sent on time, whether or not the earlier ones were answered.
    fn background(
        &self,
        per_second: u32,
        done: Arc<AtomicU64>,
        end: Instant,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (client, tokens) = (self.at_one.clone(), self.tokens.clone());
        async move {
            let under_way = Arc::new(Semaphore::new(UNDER_WAY_MAX));
            let mut every = tokio::time::interval(Duration::from_secs(1) / per_second);
            every.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for number in 0_usize.. {
                every.tick().await;
                if Instant::now() >= end {
                    break;
                }
                let place = Arc::clone(&under_way).acquire_owned().await.unwrap();
                let request = as_user(named(format!("n{number}")), &tokens[number % WRITERS]);
                let (mut client, done) = (client.clone(), Arc::clone(&done));
                tokio::spawn(async move {
                    client.update_profile(request).await.unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                    drop(place);
                });
            }
            // All that were sent have been answered.
            let all = u32::try_from(UNDER_WAY_MAX).unwrap();
            drop(under_way.acquire_many(all).await.unwrap());
        }
    }
}
