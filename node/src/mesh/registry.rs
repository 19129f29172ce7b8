//! The registry of nodes and operators: replicated rows, each from the latest announcement of whom it is about.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use codepop_proto::mesh::NodeAnnounced;
use codepop_shared::{
    geo::Place,
    identity::{Certified, KeyId, Kind, SpiffeId},
};
use diesel::{
    AsChangeset, BoolExpressionMethods as _, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _,
    Queryable, Selectable, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::replaced;
use crate::{
    app::edge::is_printable,
    clock::Hlc,
    journal::{self, Audience, Error, Field, Merge, Replicated, Scope, Stamp, conflicts, emit},
    on,
    storage::{
        self, Tx,
        schema::{nodes, revocations},
        types::Id,
    },
};

/// The announcement merges as a whole.
const WHOLE: Field = 1;

/// Longest name and address of a node, in characters.
const TEXT_MAX: usize = 200;

/// A node or operator, as its latest announcement says.
#[derive(Clone, Debug)]
pub struct Known {
    /// The certificate, judged against the authority when it was announced.
    pub certified: Arc<Certified>,
    /// Name for people.
    pub display_name: String,
    /// Address at which it is reached.
    pub api_base_url: String,
    /// Where it is.
    pub place: Option<Place>,
    /// Version of its program.
    pub version: String,
    /// Where the announcement stands in the journal: stream and seq.
    pub announcement: (i64, i64),
    /// When it was announced, in hybrid logical time.
    pub announced_at: Hlc,
}

impl Known {
    /// The certified name.
    pub fn id(&self) -> &SpiffeId {
        &self.certified.id
    }

    /// Since when the hub that signed its certificate is revoked, if a hub did and is; `ends` says it of all.
    fn hub_ended(&self, ends: &HashMap<Uuid, Hlc>) -> Option<Hlc> {
        ends.get(&self.certified.issuer.as_ref()?.hub.uuid).copied()
    }

    /// Whether its certificate is not good because a hub signed it that was revoked, and it was announced only afterwards.
    /// One that was announced before stays good: the hub was itself then.
    fn is_orphaned(&self, ends: &HashMap<Uuid, Hlc>) -> bool {
        self.hub_ended(ends).is_some_and(|end| self.announced_at > end)
    }
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = nodes, treat_none_as_null = true)]
struct Row {
    id: Id,
    kind: String,
    region: String,
    number: i32,
    key_id: Vec<u8>,
    certificate: Vec<u8>,
    display_name: String,
    api_base_url: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    version: String,
    stream: i64,
    seq: i64,
    clocks: Vec<u8>,
}

impl TryFrom<Row> for Known {
    type Error = storage::Error;

    fn try_from(row: Row) -> Result<Self, storage::Error> {
        let certified = Certified::parse(&row.certificate)
            .map_err(|error| storage::Error::Damaged(format!("node {}: {error}", row.id.0)))?;
        Ok(Self {
            certified: Arc::new(certified),
            display_name: row.display_name,
            api_base_url: row.api_base_url,
            place: row.latitude.zip(row.longitude).and_then(|(latitude, longitude)| Place::new(latitude, longitude)),
            version: row.version,
            announcement: (row.stream, row.seq),
            announced_at: journal::source(&row.clocks, WHOLE)?.map(|stamp| stamp.hlc).unwrap_or_default(),
        })
    }
}

impl Replicated for NodeAnnounced {
    fn scope(&self) -> Scope {
        // A certificate that can't be read is nobody's.
        Scope::Node(Certified::parse(&self.certificate).map_or(Uuid::nil(), |certified| certified.id.uuid))
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let certified = Certified::verify(&self.certificate, &tx.author.ca)
            .map_err(|_| Error::Unfit("the certificate is not one of this chain's authority"))?;
        let key_id = certified.key_id().ok_or(Error::Unfit("the certificate binds no event key"))?;
        let texts = [&self.display_name, &self.api_base_url, &self.version];
        // PostgreSQL holds no NUL in text; what one database refuses is refused on all nodes alike.
        if texts.iter().any(|text| text.chars().count() > TEXT_MAX || !is_printable(text)) {
            return Err(Error::Unfit("a text is longer than allowed or has a control character in it"));
        }
        let place = self.latitude.zip(self.longitude).and_then(|(lat, lon)| Place::new(lat, lon));
        let held = by_id(tx, certified.id.uuid).await?;
        let mut merge = Merge::new(held.as_ref().map_or(&[], |row| &row.clocks), stamp)?;
        if !merge.takes(WHOLE) {
            return Ok(0);
        }
        let (clocks, live) = merge.settle(tx).await?;
        let row = Row {
            id: Id(certified.id.uuid),
            kind: certified.id.kind.to_string(),
            region: certified.id.region.clone(),
            number: i32::try_from(certified.id.number).map_err(|_| Error::Unfit("the number is out of range"))?,
            key_id: key_id.0.to_vec(),
            certificate: self.certificate.clone(),
            display_name: self.display_name.clone(),
            api_base_url: self.api_base_url.clone(),
            latitude: place.map(|place| place.latitude),
            longitude: place.map(|place| place.longitude),
            version: self.version.clone(),
            stream: stamp.stream,
            seq: stamp.seq,
            clocks,
        };
        on!(tx, conn => diesel::insert_into(nodes::table)
            .values(&row)
            .on_conflict(nodes::id)
            .do_update()
            .set(&row)
            .cached()
            .execute(conn)
            .await)
        .map_err(storage::Error::from)?;
        if held.is_none() {
            note_rival(tx, &certified.id, stamp).await?;
        }
        tx.signals.registry = true;
        Ok(live)
    }
}

/// Two nodes with one number are never right: public numbers would be given twice.
async fn note_rival(tx: &mut Tx, newcomer: &SpiffeId, stamp: &Stamp) -> Result<(), storage::Error> {
    let Some(other) = rival(tx, newcomer).await? else { return Ok(()) };
    let (number, first) = (newcomer.number, newcomer.uuid.min(other.id().uuid));
    let detail = format!(
        "{} and {} both have number {number}: the authority gave it twice, or its folder was copied. {first} is linked to, \
         the other is not; revoke one of the two (pki revoke)",
        other.id(),
        newcomer
    );
    conflicts::note(tx, "duplicate_number", detail, Some((stamp.stream, stamp.seq))).await
}

async fn by_id(tx: &mut Tx, id: Uuid) -> Result<Option<Row>, storage::Error> {
    Ok(on!(tx, conn => nodes::table.find(Id(id)).select(Row::as_select()).first(conn).await.optional())?)
}

/// A node or operator by its UUID.
pub async fn find(tx: &mut Tx, id: Uuid) -> Result<Option<Known>, storage::Error> {
    by_id(tx, id).await?.map(Known::try_from).transpose()
}

/// A node or operator by the short name of its event key.
pub async fn find_by_key(tx: &mut Tx, key: KeyId) -> Result<Option<Known>, storage::Error> {
    let row: Option<Row> = on!(tx, conn => nodes::table
        .filter(nodes::key_id.eq(key.0.to_vec()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional())?;
    row.map(Known::try_from).transpose()
}

/// All nodes and operators.
pub async fn all(tx: &mut Tx) -> Result<Vec<Known>, storage::Error> {
    let rows: Vec<Row> = on!(tx, conn => nodes::table.order(nodes::id).select(Row::as_select()).load(conn).await)?;
    rows.into_iter().map(Known::try_from).collect()
}

/// All nodes and operators but those whose certificates are revoked, or were signed by a hub after its revocation.
pub async fn trusted(tx: &mut Tx) -> Result<Vec<Known>, storage::Error> {
    let ends = ends(tx).await?;
    let mut known = all(tx).await?;
    known.retain(|known| !ends.contains_key(&known.id().uuid) && !known.is_orphaned(&ends));
    Ok(known)
}

/// Since when revoked holders are so.
async fn ends(tx: &mut Tx) -> Result<HashMap<Uuid, Hlc>, storage::Error> {
    let rows: Vec<(Id, i64)> = on!(tx, conn => revocations::table
        .filter(revocations::in_force.eq(true))
        .select((revocations::holder, revocations::at))
        .load(conn)
        .await)?;
    Ok(rows.into_iter().map(|(holder, at)| (holder.0, Hlc::from_sql(at))).collect())
}

/// Fingerprints of certificates that stay good although a revoked hub signed them: they were announced before.
pub async fn spared(tx: &mut Tx) -> Result<BTreeSet<[u8; 32]>, storage::Error> {
    let ends = ends(tx).await?;
    if ends.is_empty() {
        return Ok(BTreeSet::new());
    }
    let known = all(tx).await?;
    let is_spared = |known: &&Known| known.hub_ended(&ends).is_some() && !known.is_orphaned(&ends);
    Ok(known.iter().filter(is_spared).map(|known| known.certified.fingerprint()).collect())
}

/// UUIDs and numbers of all nodes.
pub async fn numbers(tx: &mut Tx) -> Result<Vec<(Uuid, u32)>, storage::Error> {
    let rows: Vec<(Id, i32)> = on!(tx, conn => nodes::table
        .filter(nodes::number.gt(0))
        .select((nodes::id, nodes::number))
        .load(conn)
        .await)?;
    Ok(rows.into_iter().map(|(id, number)| (id.0, number.cast_unsigned())).collect())
}

/// The node that keeps a number when `holder` has the same one: the one with the lowest UUID.
pub async fn rival(tx: &mut Tx, holder: &SpiffeId) -> Result<Option<Known>, storage::Error> {
    let number = i32::try_from(holder.number).unwrap_or_default();
    let row: Option<Row> = on!(tx, conn => nodes::table
        .filter(nodes::number.eq(number).and(nodes::number.gt(0)).and(nodes::id.ne(Id(holder.uuid))))
        .order(nodes::id)
        .select(Row::as_select())
        .first(conn)
        .await
        .optional())?;
    row.map(Known::try_from).transpose()
}

/// The [`trusted`] whose place nobody else has taken: whom one may be linked to, and tell others of.
pub async fn current(tx: &mut Tx) -> Result<Vec<Known>, storage::Error> {
    let (mut known, successors) = (trusted(tx).await?, replaced::successors(tx).await?);
    known.retain(|known| !successors.is_replaced(known.id().uuid));
    Ok(known)
}

/// Announces this node, when nothing was announced yet or something has changed. Says whether it did.
///
/// A certificate that a revoked hub signed is not announced again: that it was announced before the revocation is what keeps
/// it good.
pub async fn announce_self(tx: &mut Tx, announcement: NodeAnnounced) -> Result<bool, Error> {
    let issuer = Certified::parse(&announcement.certificate).ok().and_then(|certified| certified.issuer);
    if let Some(issuer) = issuer
        && ends(tx).await?.contains_key(&issuer.hub.uuid)
    {
        return Ok(false);
    }
    let own = by_id(tx, tx.author.id.uuid).await?;
    let unchanged = own.is_some_and(|row| {
        row.certificate == announcement.certificate
            && row.display_name == announcement.display_name
            && row.api_base_url == announcement.api_base_url
            && (row.latitude, row.longitude) == (announcement.latitude, announcement.longitude)
            && row.version == announcement.version
    });
    if !unchanged {
        emit(tx, &Audience::Everyone, &announcement).await?;
    }
    Ok(!unchanged)
}

/// Feeds the registry into a digest, in order of UUID, and who took whose place. Returns how many rows it has.
pub async fn digest(tx: &mut Tx, audience: &Audience, hasher: &mut sha2::Sha256) -> Result<u64, storage::Error> {
    use sha2::Digest as _;
    if *audience != Audience::Everyone {
        return Ok(0);
    }
    let rows: Vec<Row> = on!(tx, conn => nodes::table.order(nodes::id).select(Row::as_select()).load(conn).await)?;
    let mut count = 0;
    let mut ordered: Vec<&Row> = rows.iter().collect();
    ordered.sort_by_key(|row| row.id);
    for row in ordered {
        for part in
            [&row.certificate[..], row.display_name.as_bytes(), row.api_base_url.as_bytes(), row.version.as_bytes()]
        {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        for coordinate in [row.latitude, row.longitude] {
            hasher.update(coordinate.unwrap_or(f64::MAX).to_bits().to_be_bytes());
        }
        count += 1;
    }
    Ok(count + replaced::digest(tx, audience, hasher).await?)
}

/// Whether `known` is a node (not an operator).
pub fn is_node(known: &Known) -> bool {
    matches!(known.id().kind, Kind::Store | Kind::Hub)
}
