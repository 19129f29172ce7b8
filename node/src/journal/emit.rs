//! A local write of replicated data: the event is signed, merged into the rows by the noun's own `apply`, and stored, all
//! in the caller's transaction. There is no other way to change a replicated row.

use codepop_shared::number;
use diesel::ExpressionMethods as _;
use diesel_async::RunQueryDsl as _;

use super::{Audience, Error, Event, Replicated, Stamp, entries, event::Draft, streams};
use crate::{
    on,
    storage::{self, Tx, schema::counters},
};

/// Says `message` to `audience` in this node's name. Returns where it stands.
pub async fn emit<M: Replicated>(tx: &mut Tx, audience: &Audience, message: &M) -> Result<Stamp, Error> {
    let author = std::sync::Arc::clone(&tx.author);
    let scope = message.scope();
    let allowed = scope.allows(&author.id) || scope.allows_in_place_of(&author.id, &author.certificate.replaces);
    if !allowed || !audience.may_be_addressed_by(&author.id) {
        return Err(Error::Forbidden { kind: M::full_name(), origin: author.id.to_string() });
    }
    let mut stream = streams::find_or_make(tx, author.id.uuid, audience).await?;
    let hlc = tx.clock.tick();
    let event = Event::sign(
        &author,
        Draft {
            audience,
            seq: stream.head + 1,
            previous: stream.head_hash,
            hlc,
            schema_version: M::SCHEMA_VERSION,
            kind: &M::full_name(),
            subject: message.subject(),
            message: &message.encode_to_vec(),
        },
    );
    let stamp = Stamp { hlc, origin: author.id.uuid, stream: stream.id, seq: event.header.seq.cast_signed() };
    let live = message.apply(tx, &stamp).await?;
    entries::insert(tx, stream.id, &event, &entries::Outcome::applied(live)).await?;
    stream.head = event.header.seq;
    stream.head_hash = Some(event.hash());
    streams::advance(tx, &stream).await?;
    Ok(stamp)
}

/// The next public number of this node for a kind of thing (`user`, `drink`, …). Taken for good once the transaction
/// commits.
pub async fn next_number(tx: &mut Tx, thing: &'static str) -> Result<i64, storage::Error> {
    let value: i64 = on!(tx, conn => diesel::insert_into(counters::table)
        .values((counters::name.eq(thing), counters::value.eq(1_i64)))
        .on_conflict(counters::name)
        .do_update()
        .set(counters::value.eq(counters::value + 1))
        .returning(counters::value)
        .cached()
        .get_result(conn)
        .await)?;
    number::compose(value, tx.author.id.number)
        .ok_or_else(|| storage::Error::Damaged(format!("the counter of {thing} numbers is used up")))
}
