//! How chain-wide notices merge: the later version wins as a whole, its removal for ever.

use chrono::DateTime;
use codepop_proto::notifications as pb;
use codepop_shared::number;

use super::{
    KIND_MAX, MESSAGE_MAX,
    store::{self, ChainRow},
};
use crate::{
    app::edge::is_storable,
    journal::{Error, Field, Merge, Replicated, Scope, Stamp, next_number},
    storage::{Tx, types::Time},
};

/// What the notice says.
const SAID: Field = 1;
/// That it is gone.
const GONE: Field = 2;

fn numbered(number: i64) -> Result<i64, Error> {
    if (1..=number::MAX).contains(&number) { Ok(number) } else { Err(Error::Unfit("a number is out of range")) }
}

fn text(text: &str, max: usize) -> Result<String, Error> {
    let sound = (1..=max).contains(&text.chars().count()) && !text.contains('\0');
    if sound { Ok(text.to_owned()) } else { Err(Error::Unfit("a text of the notice is not allowed")) }
}

impl Replicated for pb::ChainNoticePosted {
    fn scope(&self) -> Scope {
        Scope::ChainNotice
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let id = numbered(self.notification)?;
        let (kind, message) = (text(&self.r#type, KIND_MAX)?, text(&self.message, MESSAGE_MAX)?);
        let at = DateTime::from_timestamp_micros(self.at_us).filter(is_storable).map(Time);
        let at = at.ok_or(Error::Unfit("the time is out of range"))?;
        let old = store::chain_row(tx, id).await?;
        let mut merge = Merge::new(old.as_ref().map_or(&[], |row| &row.clocks), stamp)?;
        if merge.is_set(GONE) || !merge.takes(SAID) {
            return Ok(0);
        }
        let (clocks, live) = merge.settle(tx).await?;
        let arrived = match old {
            Some(row) => row.arrived,
            // Where it stands among what came here is nobody else's business and in no digest.
            None => next_number(tx, "chain notice here").await?,
        };
        store::put_chain(tx, &ChainRow { id, kind, message, at, withdrawn: false, arrived, clocks }).await?;
        tx.signals.notices = true;
        Ok(live)
    }
}

impl Replicated for pb::ChainNoticeWithdrawn {
    fn scope(&self) -> Scope {
        Scope::ChainNotice
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let id = numbered(self.notification)?;
        let old = store::chain_row(tx, id).await?;
        let mut merge = Merge::new(old.as_ref().map_or(&[], |row| &row.clocks), stamp)?;
        if !merge.takes(GONE) {
            return Ok(0);
        }
        // An earlier version is of no use any more.
        merge.clears(SAID);
        let (clocks, live) = merge.settle(tx).await?;
        let row = ChainRow {
            id,
            kind: String::new(),
            message: String::new(),
            at: Time(DateTime::UNIX_EPOCH),
            withdrawn: true,
            arrived: old.map_or(0, |row| row.arrived),
            clocks,
        };
        store::put_chain(tx, &row).await?;
        Ok(live)
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
        Posted(pb::ChainNoticePosted),
        Withdrawn(pb::ChainNoticeWithdrawn),
    }

    impl laws::Said for Said {
        fn apply<'a>(&'a self, tx: &'a mut Tx, stamp: &'a Stamp) -> BoxFuture<'a, Result<i32, Error>> {
            match self {
                Self::Posted(message) => Box::pin(message.apply(tx, stamp)),
                Self::Withdrawn(message) => Box::pin(message.apply(tx, stamp)),
            }
        }

        fn digest(tx: &mut Tx) -> BoxFuture<'_, laws::Digested> {
            Box::pin(laws::digested(async |hasher| super::super::digest(tx, &Audience::Everyone, hasher).await))
        }
    }

    fn posted(notification: i64, message: &str, at_us: i64) -> pb::ChainNoticePosted {
        pb::ChainNoticePosted { notification, message: message.into(), r#type: "offer".into(), at_us }
    }

    fn said() -> impl Strategy<Value = Said> {
        (0_u8..3, 1_i64..3, "[a-z]{1,4}", 0_i64..3).prop_map(|(kind, number, message, at)| match kind {
            0 => Said::Withdrawn(pb::ChainNoticeWithdrawn { notification: number }),
            _ => Said::Posted(posted(number, &message, at)),
        })
    }

    on_both!(notices_merge_alike_in_any_order, async |node: Node| laws::hold(&node, said()).await);

    #[tokio::test]
    async fn both_databases_give_one_digest() {
        let events = vec![
            Said::Posted(posted(7, "Crème \"brûlée\" 🥤", 1_753_000_000_123_457)),
            Said::Posted(posted(number::MAX, "x", -1)),
            Said::Withdrawn(pb::ChainNoticeWithdrawn { notification: 8 }),
        ];
        laws::alike_on_both(events).await;
    }

    on_both!(nonsense_is_unfit, async |node: Node| {
        let cases = vec![
            Said::Posted(posted(0, "a", 0)),
            Said::Posted(posted(1, "", 0)),
            Said::Posted(posted(1, "a\0", 0)),
            Said::Posted(posted(1, &"x".repeat(501), 0)),
            Said::Posted(posted(1, "a", i64::MAX)),
            Said::Posted(pb::ChainNoticePosted { r#type: String::new(), ..posted(1, "a", 0) }),
            Said::Withdrawn(pb::ChainNoticeWithdrawn { notification: -1 }),
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
