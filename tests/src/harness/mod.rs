//! A mesh of real processes in a folder of its own, on free ports, made with the programs' own commands.
//!
//! `Mesh::with(3).await` is one hub (node 0) and three stores (nodes 1 to 3), linked and settled. Each node stands behind a
//! [`Proxy`](crate::faults::Proxy) whose address is the one that it tells others.

mod databases;
mod eventually;
mod gateway;
mod mesh;
mod node;
mod operator;
mod people;
mod phone;
mod plain;
pub mod programs;
mod rights;
mod seeded;
mod shop;
mod stranger;
mod talk;

pub use databases::{Backend, PostgresDatabase, sql, sqlite_sql};
pub use eventually::{check, eventually};
pub use gateway::{Answer, Gateway};
pub use mesh::{Builder, Digests, Mesh, SETTLE_TIMEOUT, store};
pub use node::{Node, Spec};
pub use operator::Operator;
pub use people::PASSWORD;
pub use phone::Phone;
pub use plain::call;
pub use rights::{Caller, hours_ago, session};
pub use seeded::Seeded;
pub use shop::{SPREAD, shelf_items};
pub use stranger::{Saying, Session, Stranger};
pub use talk::silence;
