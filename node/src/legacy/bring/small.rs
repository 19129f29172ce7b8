//! Preferences, the stock, notices.

use chrono::{DateTime, Utc};

use super::Import;
use crate::{
    accounts,
    inventory::{self, Item, vocabulary},
    legacy::{Entity, Error, normal::stock::Merged, rows::Notification},
    notifications::{self, KIND_MAX, MESSAGE_MAX, Notice, To},
    preferences,
    storage::{Tx, types::Time},
};

impl Import {
    pub(super) async fn preference(&mut self, tx: &mut Tx, at: usize) -> Result<(), Error> {
        let row = self.snapshot.preferences[at].clone();
        if self.was_before(Entity::Preferences, row.id) {
            return Ok(());
        }
        let (user, name) = (self.number(Entity::Users, row.user), preferences::import::name(&row.name));
        let (user, name) = match (user, name) {
            (Some(user), Ok(name)) => (user, name),
            (None, _) => {
                self.report.skip(Entity::Preferences, Some(row.id), "its user was not brought over");
                return Ok(());
            }
            (_, Err(reason)) => {
                self.report.skip(Entity::Preferences, Some(row.id), &reason);
                return Ok(());
            }
        };
        if preferences::import::is_known(tx, user, &name).await? {
            self.report.skip(Entity::Preferences, Some(row.id), "its user has or had the same preference here");
            return Ok(());
        }
        let id = self.new_number(tx, "preference", row.id, false).await?;
        let mut changes = Vec::new();
        if name != row.name {
            changes.push(format!("is spelled \"{name}\""));
        }
        let said = preferences::import::bring(tx, user, id, name).await;
        match self.said(Entity::Preferences, row.id, said)? {
            None => Ok(()),
            Some(()) => self.keep(tx, Entity::Preferences, row.id, id, &changes).await,
        }
    }

    /// An item, and with it the rows that were merged into it.
    pub(super) async fn item(&mut self, tx: &mut Tx, at: usize) -> Result<(), Error> {
        let merged = self.plan.stock[at].clone();
        if self.number(Entity::Inventory, merged.id).is_some() {
            self.report.before(Entity::Inventory);
        } else if inventory::import::has(tx, merged.kind, &merged.name).await? {
            let reason = "the store has this item already, and what it counted itself is newer";
            self.report.skip(Entity::Inventory, Some(merged.id), reason);
        } else {
            self.new_item(tx, &merged).await?;
        }
        for id in merged.others {
            self.report.skip(Entity::Inventory, Some(id), "added to the first row of the same name and type");
        }
        Ok(())
    }

    async fn new_item(&mut self, tx: &mut Tx, merged: &Merged) -> Result<(), Error> {
        let id = self.new_number(tx, "inventory item", merged.id, false).await?;
        let item = Item {
            id,
            name: merged.name.clone(),
            name_key: vocabulary::fold(&merged.name),
            item_type: merged.kind,
            quantity: merged.quantity,
            threshold: merged.threshold,
            updated_at: Time(merged.updated.unwrap_or_else(|| now(tx))),
        };
        inventory::import::bring(tx, &item).await.map_err(|error| match error {
            inventory::Error::Storage(error) => Error::Storage(error),
            _ => Error::NoStore,
        })?;
        self.keep(tx, Entity::Inventory, merged.id, id, &merged.changes).await
    }

    pub(super) async fn notification(&mut self, tx: &mut Tx, at: usize) -> Result<(), Error> {
        let row = self.snapshot.notifications[at].clone();
        if self.was_before(Entity::Notifications, row.id) {
            return Ok(());
        }
        let user = self.number(Entity::Users, row.user);
        let to = match user {
            _ if row.global => To::Everybody,
            Some(user) if accounts::is_deleted(tx, user).await? => {
                self.report.skip(Entity::Notifications, Some(row.id), "its user was deleted here");
                return Ok(());
            }
            Some(user) => To::User(user),
            None => {
                self.report.skip(Entity::Notifications, Some(row.id), "its user was not brought over");
                return Ok(());
            }
        };
        let id = self.new_number(tx, "notification", row.id, false).await?;
        let (notice, changes) = notice(tx, &row, id, to, user);
        notifications::import::bring(tx, &notice, to).await?;
        self.keep(tx, Entity::Notifications, row.id, id, &changes).await
    }
}

fn notice(tx: &Tx, row: &Notification, id: i64, to: To, user: Option<i64>) -> (Notice, Vec<String>) {
    let mut changes = Vec::new();
    let cut = |text: &str, longest: usize| text.chars().take(longest).collect::<String>();
    let (message, kind) = (cut(&row.message, MESSAGE_MAX), cut(&row.kind, KIND_MAX));
    if message != row.message || kind != row.kind {
        changes.push("it was too long; the rest was cut off".to_owned());
    }
    let at = row.at.unwrap_or_else(|| {
        changes.push("its time made no sense; it is that of the import".to_owned());
        now(tx)
    });
    let author = user.filter(|_| to == To::Everybody);
    (Notice { id, to: Some(to), author, kind, message, at }, changes)
}

/// Now, to the microsecond that databases keep.
pub(super) fn now(tx: &Tx) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(tx.clock.wall().timestamp_micros()).unwrap_or_default()
}
