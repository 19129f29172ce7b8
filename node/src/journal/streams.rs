//! Streams: one an origin and audience, gapless, each header naming the hash of the one before it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use codepop_proto::journal::{StreamPosition, Vector};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::{Audience, Hash};
use crate::{
    on,
    storage::{Db, Error, Tx, schema::streams, types::Id},
};

/// How far one stream is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its number in this database.
    pub id: i64,
    /// Who makes it.
    pub origin: Uuid,
    /// For whom.
    pub audience: Audience,
    /// The last seq up to which nothing is missing; 0 is nothing.
    pub head: u64,
    /// Hash of the last header; `None` when there is none.
    pub head_hash: Option<Hash>,
    /// Up to this seq only live events remain.
    pub floor: u64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = streams)]
struct Row {
    id: i64,
    origin: Id,
    audience: String,
    head_seq: i64,
    head_hash: Vec<u8>,
    floor_seq: i64,
}

impl TryFrom<Row> for Stream {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let damaged = |what: &str| Error::Damaged(format!("stream {}: {what}", row.id));
        Ok(Self {
            id: row.id,
            origin: row.origin.0,
            audience: row.audience.parse().map_err(damaged)?,
            head: row.head_seq.try_into().map_err(|_| damaged("negative seq"))?,
            head_hash: match row.head_hash.as_slice() {
                [] => None,
                bytes => Some(bytes.try_into().map_err(|_| damaged("a hash has not 32 bytes"))?),
            },
            floor: row.floor_seq.try_into().map_err(|_| damaged("negative floor"))?,
        })
    }
}

/// The stream, if anything of it is known.
pub async fn find(tx: &mut Tx, origin: Uuid, audience: &Audience) -> Result<Option<Stream>, Error> {
    let row = on!(tx, conn => streams::table
        .filter(streams::origin.eq(Id(origin)))
        .filter(streams::audience.eq(audience.to_string()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional())?;
    row.map(Stream::try_from).transpose()
}

/// The stream; made when nothing of it is known. Only within a write.
pub async fn find_or_make(tx: &mut Tx, origin: Uuid, audience: &Audience) -> Result<Stream, Error> {
    if let Some(stream) = find(tx, origin, audience).await? {
        return Ok(stream);
    }
    // One writer at a time, so the next number can be taken by looking.
    let highest: Option<i64> = on!(tx, conn => streams::table.select(diesel::dsl::max(streams::id)).first(conn).await)?;
    let id = highest.unwrap_or(0) + 1;
    on!(tx, conn => diesel::insert_into(streams::table)
        .values((
            streams::id.eq(id),
            streams::origin.eq(Id(origin)),
            streams::audience.eq(audience.to_string()),
            streams::head_seq.eq(0_i64),
            streams::head_hash.eq(Vec::<u8>::new()),
            streams::floor_seq.eq(0_i64),
        ))
        .cached()
        .execute(conn)
        .await)?;
    Ok(Stream { id, origin, audience: audience.clone(), head: 0, head_hash: None, floor: 0 })
}

/// Moves the head of a stream forward.
pub async fn advance(tx: &mut Tx, stream: &Stream) -> Result<(), Error> {
    let hash = stream.head_hash.map(Vec::from).unwrap_or_default();
    on!(tx, conn => diesel::update(streams::table.find(stream.id))
        .set((streams::head_seq.eq(stream.head.cast_signed()), streams::head_hash.eq(hash)))
        .cached()
        .execute(conn)
        .await)?;
    tx.signals.journal = true;
    Ok(())
}

/// Notes that up to `floor` only live events remain. A floor never sinks: meanwhile it may have risen further.
pub async fn raise_floor(tx: &mut Tx, stream: i64, floor: u64) -> Result<(), Error> {
    on!(tx, conn => diesel::update(streams::table.find(stream).filter(streams::floor_seq.lt(floor.cast_signed())))
        .set(streams::floor_seq.eq(floor.cast_signed()))
        .cached()
        .execute(conn)
        .await)?;
    tx.signals.journal = true;
    Ok(())
}

/// Up to which seq of a stream only live events remain.
pub async fn floor(tx: &mut Tx, stream: i64) -> Result<u64, Error> {
    let floor: i64 = on!(tx, conn => streams::table.find(stream).select(streams::floor_seq).first(conn).await)?;
    Ok(floor.cast_unsigned())
}

/// All streams, by origin and audience.
pub async fn all(tx: &mut Tx) -> Result<Vec<Stream>, Error> {
    let rows: Vec<Row> = on!(tx, conn => streams::table.select(Row::as_select()).load(conn).await)?;
    let mut all = rows.into_iter().map(Stream::try_from).collect::<Result<Vec<_>, _>>()?;
    all.sort_by(|a, b| (a.origin, &a.audience).cmp(&(b.origin, &b.audience)));
    Ok(all)
}

/// Names a stream among all nodes.
pub type StreamKey = (Uuid, Audience);

/// How far streams are known: by whom depends on where it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(pub BTreeMap<StreamKey, u64>);

impl Positions {
    /// The position of a stream; 0 is nothing.
    pub fn get(&self, key: &StreamKey) -> u64 {
        self.0.get(key).copied().unwrap_or(0)
    }

    /// Takes over what is further.
    pub fn raise(&mut self, key: StreamKey, seq: u64) {
        let held = self.0.entry(key).or_insert(0);
        *held = seq.max(*held);
    }

    /// First 16 bytes of SHA-256 over the positions in order.
    pub fn digest(&self) -> [u8; 16] {
        use sha2::Digest as _;
        let mut hasher = sha2::Sha256::new();
        for ((origin, audience), seq) in &self.0 {
            hasher.update(origin.as_bytes());
            hasher.update(audience.to_string().as_bytes());
            hasher.update([0]);
            hasher.update(seq.to_be_bytes());
        }
        let whole: Hash = hasher.finalize().into();
        let mut short = [0; 16];
        short.copy_from_slice(&whole[..16]);
        short
    }

    /// The form in which they travel.
    pub fn to_vector(&self) -> Vector {
        let position = |((origin, audience), seq): (&StreamKey, &u64)| StreamPosition {
            origin: bytes::Bytes::copy_from_slice(origin.as_bytes()),
            audience: audience.to_string(),
            seq: *seq,
        };
        Vector { streams: self.0.iter().map(position).collect() }
    }

    /// Reads what came from a peer; entries that make no sense to this program are left out.
    pub fn from_vector(vector: &Vector) -> Self {
        let known = vector.streams.iter().filter_map(|position| {
            let origin = Uuid::from_slice(&position.origin).ok()?;
            Some(((origin, position.audience.parse().ok()?), position.seq))
        });
        Self(known.collect())
    }
}

impl FromIterator<(StreamKey, u64)> for Positions {
    fn from_iter<I: IntoIterator<Item = (StreamKey, u64)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

/// Pause before the streams are read again after the database failed.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Keeps all streams in memory for the senders: read once a change, whatever the number of peers.
pub fn watch(db: &Db) -> tokio::sync::watch::Receiver<Arc<Vec<Stream>>> {
    let (publish, streams) = tokio::sync::watch::channel(Arc::new(Vec::new()));
    let db = db.clone();
    tokio::spawn(async move {
        let mut changes = db.journal_changes();
        loop {
            match db.read(|tx| Box::pin(all(tx))).await {
                Ok(all) => drop(publish.send_replace(Arc::new(all))),
                Err(error) => {
                    tracing::warn!(error = %error, "the streams could not be read; trying again");
                    tokio::time::sleep(READ_AGAIN).await;
                    continue;
                }
            }
            if publish.is_closed() || changes.changed().await.is_err() {
                return;
            }
        }
    });
    streams
}
