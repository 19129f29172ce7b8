//! For tests: carries the events of one node to another without a network, as a receiver does.

use codepop_proto::{
    accounts::{
        CredentialSet, ProfileChanged, SessionEnded, SessionsEnded, UserDeleted, UserRegistered, UserStatusChanged,
    },
    roles::{RoleAssigned, RoleRevoked},
};
use codepop_shared::identity::EVENT_KEY_URI;
use diesel::ExpressionMethods as _;
use diesel_async::RunQueryDsl as _;
use prost::Name as _;

use crate::{
    identity::Author,
    journal::{self, Error, Event, Outcome, Replicated, Stamp, State, Stream, entries, streams},
    on,
    storage::{self, Db, Tx, schema::nodes, types::Id},
    testing::Node,
};

/// Brings all that `to` may get of what `from` holds.
pub(crate) async fn carry(from: &Node, to: &Node) {
    carry_to(from, &to.db).await;
}

/// As [`carry`], to a database.
pub(crate) async fn carry_to(from: &Node, to: &Db) {
    let all = from.db.read(|tx| Box::pin(streams::all(tx))).await.map_err(|error: storage::Error| error).unwrap();
    for stream in all.into_iter().filter(|stream| stream.audience.reaches(&to.author().id)) {
        let id = stream.id;
        let read = from.db.read(move |tx| Box::pin(entries::after(tx, id, 0))).await;
        for event in read.map_err(|error: storage::Error| error).unwrap() {
            let (event, key) = (Event::parse(event).unwrap(), stream.clone());
            to.receive(move |tx| Box::pin(async move { take(tx, &key, event).await })).await.unwrap();
        }
    }
}

async fn take(tx: &mut Tx, from: &Stream, event: Event) -> Result<(), Error> {
    let mut stream = streams::find_or_make(tx, from.origin, &from.audience).await?;
    if event.header.seq <= stream.head {
        return Ok(());
    }
    assert_eq!(event.header.seq, stream.head + 1);
    let stamp =
        Stamp { hlc: event.header.hlc, origin: from.origin, stream: stream.id, seq: event.header.seq.cast_signed() };
    tx.clock.observe(event.header.hlc);
    let outcome = match apply(tx, &event, &stamp).await {
        Ok(live) => Outcome::applied(live),
        Err(Error::Erased) => Outcome::erased(),
        Err(Error::Unfit(why)) => Outcome::withheld(State::Quarantined, why),
        Err(error) => return Err(error),
    };
    entries::insert(tx, stream.id, &event, &outcome).await?;
    stream.head = event.header.seq;
    stream.head_hash = Some(event.hash());
    streams::advance(tx, &stream).await?;
    Ok(())
}

async fn apply(tx: &mut Tx, event: &Event, stamp: &Stamp) -> Result<i32, journal::Error> {
    let Some(bytes) = event.message() else { return Ok(0) };
    macro_rules! dispatch {
        ($($message:ty),+) => {
            match event.header.kind.as_str() {
                $(kind if kind == <$message>::full_name() => {
                    <$message as prost::Message>::decode(bytes).unwrap().apply(tx, stamp).await
                })+
                kind => panic!("no {kind} here"),
            }
        };
    }
    dispatch!(
        UserRegistered,
        ProfileChanged,
        CredentialSet,
        SessionEnded,
        SessionsEnded,
        UserStatusChanged,
        UserDeleted,
        RoleAssigned,
        RoleRevoked
    )
}

/// Makes an author's certificate known, as its announcement would.
pub(crate) async fn announce(db: &Db, author: &Author) {
    let id = author.id.clone();
    let key = hex::encode(author.key().verifying_key().as_bytes());
    let uri = |text: String| rcgen::SanType::URI(text.try_into().unwrap());
    let mut params = rcgen::CertificateParams::default();
    params.subject_alt_names = vec![uri(id.to_string()), uri(format!("{EVENT_KEY_URI}{key}"))];
    let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let key_id = author.key_id.0.to_vec();
    let written = db.write(move |tx| {
        Box::pin(async move {
            on!(tx, conn => diesel::insert_into(nodes::table)
                .values((
                    nodes::id.eq(Id(id.uuid)),
                    nodes::kind.eq(id.kind.word()),
                    nodes::region.eq(&id.region),
                    nodes::number.eq(id.number.cast_signed()),
                    nodes::key_id.eq(&key_id),
                    nodes::certificate.eq(&certificate),
                    nodes::display_name.eq(""),
                    nodes::api_base_url.eq(""),
                    nodes::version.eq(""),
                    nodes::stream.eq(1_i64),
                    nodes::seq.eq(1_i64),
                    nodes::clocks.eq(Vec::<u8>::new()),
                ))
                .execute(conn)
                .await)?;
            Ok(())
        })
    });
    written.await.map_err(|error: storage::Error| error).unwrap();
}
