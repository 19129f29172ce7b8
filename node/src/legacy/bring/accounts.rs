//! Accounts and the sessions of their phones.

use super::Import;
use crate::{
    accounts,
    legacy::{Entity, Error, normal::users},
    storage::Tx,
};

impl Import {
    pub(super) async fn user(&mut self, tx: &mut Tx, at: usize) -> Result<(), Error> {
        let row = self.snapshot.users[at].clone();
        if self.was_before(Entity::Users, row.id) {
            return Ok(());
        }
        let is_taken = self.verbatim && accounts::is_known(tx, row.id).await?;
        let user = self.new_number(tx, "user", row.id, is_taken).await?;
        let (account, mut changes) = users::account(&row, user, tx.clock.wall());
        if accounts::is_claimed(tx, &account.username, user).await? {
            changes.push(
                "an earlier account has the same name: the password decides who logs in, or name~number".to_owned(),
            );
        }
        accounts::bring(tx, account).await?;
        self.keep(tx, Entity::Users, row.id, user, &changes).await
    }

    pub(super) async fn token(&mut self, tx: &mut Tx, at: usize) -> Result<(), Error> {
        let row = self.snapshot.tokens[at].clone();
        if self.was_before(Entity::Tokens, row.id) {
            return Ok(());
        }
        let Some(user) = self.number(Entity::Users, row.id) else {
            self.report.skip(Entity::Tokens, Some(row.id), "its user was not brought over");
            return Ok(());
        };
        let is_active = self.snapshot.users.binary_search_by_key(&row.id, |user| user.id);
        if is_active.is_ok_and(|at| !self.snapshot.users[at].active) {
            self.report.skip(Entity::Tokens, Some(row.id), "its user is disabled");
            return Ok(());
        }
        let said = accounts::keep_session(tx, user, &row.key).await;
        match self.said(Entity::Tokens, row.id, said)? {
            None => Ok(()),
            Some(true) => self.keep(tx, Entity::Tokens, row.id, user, &[]).await,
            Some(false) => {
                self.report.skip(Entity::Tokens, Some(row.id), "it is no token of 40 hexadecimal digits");
                Ok(())
            }
        }
    }
}
