//! What every feature is handed: the doors to the database, who this node is, and how to fetch an account or a drink from peers.
//! No globals. [`edge`] is for reading requests, [`once`] for those sent twice, [`canonical`] for digests of rows,
//! [`Progress`] for long commands.

pub mod canonical;
pub mod edge;
pub mod once;
mod progress;

use std::sync::Arc;

pub use self::progress::Progress;
use chrono::{DateTime, Utc};
use codepop_proto::catalog::UserDrinkSaved;
use futures::future::BoxFuture;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::{
    audit,
    auth::Permit,
    clock::Clock,
    identity::Author,
    storage::{self, Db, Tx},
};

/// Which account is looked for among peers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// By the key of the user name.
    NameKey([u8; 32]),
    /// By the number of the user.
    Number(i64),
}

/// Fetches an account that has not arrived yet from peers.
pub trait AccountFinder: Send + Sync {
    /// Asks peers, if there is reason to (this node is behind or a peer is away), and takes in what they say. True when
    /// something new was taken in, so that looking again is worth it.
    fn find(&self, account: Lookup) -> BoxFuture<'_, bool>;
}

/// Fetches a customer's drink from where it was made: drinks don't travel beyond their region.
pub trait DrinkFinder: Send + Sync {
    /// What was said of it last there, signed by who may say it; nothing is kept of it. `None` when it cannot be had.
    fn find_drink(&self, drink: i64) -> BoxFuture<'_, Option<UserDrinkSaved>>;
}

/// When a node was last heard on this node's own link. Kept by the mesh.
pub trait Sightings: Send + Sync {
    /// When; `None` when it never was.
    fn last_seen(&self, node: Uuid) -> Option<DateTime<Utc>>;

    /// Whether it is heard now: the node itself, or one to which a link is up.
    fn is_linked(&self, node: Uuid) -> bool;
}

/// Connects to other nodes, for the few questions that are not answered from rows.
pub trait Dial: Send + Sync {
    /// A connection to a known node; `None` when there is none to be had.
    fn dial(&self, node: Uuid) -> BoxFuture<'_, Option<Channel>>;

    /// A question over the node's connection failed: it is not used again.
    fn lost(&self, node: Uuid);
}

/// What every feature is handed. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub db: Db,
    /// Fetches accounts from peers.
    pub finder: Arc<dyn AccountFinder>,
    /// Fetches drinks from afar.
    pub drinks: Arc<dyn DrinkFinder>,
    /// When nodes were last heard.
    pub sightings: Arc<dyn Sightings>,
}

impl App {
    /// Who this node is.
    pub fn author(&self) -> &Arc<Author> {
        self.db.author()
    }

    /// The node's clock.
    pub fn clock(&self) -> &Arc<Clock> {
        self.db.clock()
    }

    /// The read door.
    pub async fn read<R, E, F>(&self, operation: F) -> Result<R, E>
    where
        E: From<storage::Error>,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<R, E>>,
    {
        self.db.read(operation).await
    }

    /// The write door: what is written is on disk when this returns `Ok`. The use of a right that not everybody has is
    /// written down in the same transaction.
    pub async fn write<R, E, F>(&self, permit: &Permit, operation: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<storage::Error> + Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<R, E>> + Send + 'static,
    {
        if permit.trail.is_none() {
            return self.db.write(operation).await;
        }
        let permit = permit.clone();
        let written = self.db.write(move |tx| {
            Box::pin(async move {
                let done = operation(tx).await?;
                audit::done(tx, &permit).await?;
                Ok(done)
            })
        });
        written.await
    }

    /// Writes down that a right was used to read what should not be read unseen (exports, the audit trail itself). To be
    /// called before the answer is given.
    ///
    /// # Errors
    /// The database failed: then nothing is to be shown.
    pub async fn note_reading(&self, permit: &Permit) -> Result<(), storage::Error> {
        self.write(permit, |_| Box::pin(std::future::ready(Ok(())))).await
    }
}
