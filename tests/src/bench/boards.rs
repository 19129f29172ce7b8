//! The dashboards of a chain with test data: how long managers, regional people and the super admin wait for theirs.

use std::time::{Duration, Instant};

use crate::harness::Seeded;

/// What runs of the chain: all hubs, as the view of the chain asks all of them, and some stores of the region looked at.
const RUNNING: [&str; 11] =
    ["hub-a", "hub-b", "hub-c", "hub-d", "hub-e", "hub-f", "hub-g", "logan-001", "logan-002", "logan-003", "gateway"];

/// The store that is looked at.
const STORE: &str = "logan-001";

/// Looks of one run, after one that is not counted.
const LOOKS: usize = 20;

/// Who looks at what: a name for people, the user, the path with `{}` for the store's UUID, and the aim in milliseconds.
pub const BOARDS: [(&str, &str, &str, u32); 7] = [
    ("a store's dashboard", "manager_001", "/backend/stores/{}/dashboard/", 500),
    ("a store's analytics, 30 days", "manager_001", "/backend/stores/{}/analytics/?period=30&forecast=7", 2_000),
    ("a region's supply, 20 stores", "logistics_c", "/backend/logistics/regions/C/dashboard/", 500),
    ("a store of the region", "logistics_c", "/backend/logistics/regions/C/stores/{}/", 500),
    ("a region's machines", "repair_c", "/backend/repair/regions/C/dashboard/", 500),
    ("the chain, seven hubs asked", "superadmin", "/backend/admin/dashboard/", 500),
    ("one store of the chain", "superadmin", "/backend/admin/dashboard/?store_id={}", 500),
];

/// A chain that runs, with everybody logged in.
#[derive(Debug)]
pub struct Boards {
    chain: Seeded,
    /// How long the test data took.
    pub seeding: Duration,
}

impl Boards {
    /// Makes the chain and starts it.
    ///
    /// # Panics
    /// It does not run.
    pub async fn start() -> Self {
        let start = Instant::now();
        let mut chain = Seeded::make("chain", &[]);
        let seeding = start.elapsed();
        for program in RUNNING {
            chain.start(program).await;
        }
        Self { chain, seeding }
    }

    /// Looks several times, one after the other; gives how long each look took, shortest first.
    ///
    /// # Panics
    /// The user may not look, or nobody answers.
    pub async fn look(&self, user: &str, path: &str) -> Vec<Duration> {
        let token = self.chain.log_in(user, Some(STORE)).await;
        let path = path.replace("{}", &self.chain.uuid(STORE));
        let mut took = Vec::with_capacity(LOOKS);
        for look in 0..=LOOKS {
            let start = Instant::now();
            let answer = self.chain.get(&path, &token, STORE).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.json);
            if look > 0 {
                took.push(start.elapsed());
            }
        }
        took.sort_unstable();
        took
    }
}
