//! How preferences merge: per user and name the later add or remove wins; the number is that of the winning add.

use codepop_proto::preferences as pb;
use codepop_shared::number;

use super::store::{self, Row};
use crate::{
    accounts,
    journal::{Error, Field, Merge, Replicated, Scope, Stamp},
    storage::Tx,
};

/// Whether the ingredient is preferred.
const PREFERRED: Field = 1;

/// Longest name taken from others, in characters: a newer node may know more ingredients than this one.
const NAME_MAX: usize = 100;

fn numbered(number: i64) -> Result<i64, Error> {
    if (1..=number::MAX).contains(&number) { Ok(number) } else { Err(Error::Unfit("a number is out of range")) }
}

async fn merge(tx: &mut Tx, stamp: &Stamp, user: i64, name: &str, added: Option<i64>) -> Result<i32, Error> {
    if accounts::is_deleted(tx, user).await? {
        return Err(Error::Erased);
    }
    let user = numbered(user)?;
    if !(1..=NAME_MAX).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(Error::Unfit("the name is not allowed"));
    }
    let old = store::row(tx, user, name).await?;
    let mut merge = Merge::new(old.as_ref().map_or(&[], |row| &row.clocks), stamp)?;
    if !merge.takes(PREFERRED) {
        return Ok(0);
    }
    let (clocks, live) = merge.settle(tx).await?;
    let (id, present) = (added.unwrap_or(0), added.is_some());
    store::put(tx, &Row { user_id: user, name: name.to_owned(), id, present, clocks }).await?;
    Ok(live)
}

impl Replicated for pb::PreferenceAdded {
    fn scope(&self) -> Scope {
        Scope::Customer(self.user)
    }

    fn subject(&self) -> i64 {
        self.user
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let id = numbered(self.preference)?;
        merge(tx, stamp, self.user, &self.name, Some(id)).await
    }
}

impl Replicated for pb::PreferenceRemoved {
    fn scope(&self) -> Scope {
        Scope::Customer(self.user)
    }

    fn subject(&self) -> i64 {
        self.user
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        merge(tx, stamp, self.user, &self.name, None).await
    }
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{journal::Audience, laws, on_both, testing::Node};

    #[derive(Clone, Debug)]
    enum Said {
        Added(pb::PreferenceAdded),
        Removed(pb::PreferenceRemoved),
    }

    impl laws::Said for Said {
        fn apply<'a>(&'a self, tx: &'a mut Tx, stamp: &'a Stamp) -> BoxFuture<'a, Result<i32, Error>> {
            match self {
                Self::Added(message) => Box::pin(message.apply(tx, stamp)),
                Self::Removed(message) => Box::pin(message.apply(tx, stamp)),
            }
        }

        fn digest(tx: &mut Tx) -> BoxFuture<'_, laws::Digested> {
            Box::pin(laws::digested(async |hasher| super::super::digest(tx, &Audience::Everyone, hasher).await))
        }
    }

    fn added(user: i64, preference: i64, name: &str) -> Said {
        Said::Added(pb::PreferenceAdded { user, preference, name: name.into() })
    }

    fn removed(user: i64, name: &str) -> Said {
        Said::Removed(pb::PreferenceRemoved { user, name: name.into() })
    }

    fn said() -> impl Strategy<Value = Said> {
        (0_u8..3, 1_i64..3, 1_i64..9, "[a-b]").prop_map(|(kind, user, number, name)| match kind {
            0 => removed(user, &name),
            _ => added(user, number, &name),
        })
    }

    on_both!(preferences_merge_alike_in_any_order, async |node: Node| laws::hold(&node, said()).await);

    #[tokio::test]
    async fn both_databases_give_one_digest() {
        // Databases sort these differently.
        let events = ["b", "a b", "B", "ä", "a-b", "ab"].map(|name| added(3, 7, name));
        let more = [added(2, number::MAX, "z"), removed(9, "dr. pepper")];
        laws::alike_on_both(events.into_iter().chain(more).collect()).await;
    }

    on_both!(nonsense_is_unfit, async |node: Node| {
        let cases = [
            added(0, 1, "a"),
            added(1, 0, "a"),
            added(1, 1, ""),
            added(1, 1, "a\0"),
            added(1, 1, &"x".repeat(101)),
            removed(-1, "a"),
        ];
        let stamp = Stamp { hlc: node.app.clock().tick(), origin: Uuid::nil(), stream: 1, seq: 1 };
        for case in cases {
            let told = case.clone();
            let apply = async move |tx: &mut Tx| laws::Said::apply(&told, tx, &stamp).await;
            let outcome = node.db.receive(move |tx| Box::pin(async move { apply(tx).await })).await;
            assert!(matches!(outcome, Err(Error::Unfit(_))), "{case:?}: {outcome:?}");
        }
    });
}
