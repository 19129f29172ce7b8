//! How concurrent changes of a row merge: every mergeable field keeps the stamp of the event that it came from, and the
//! later stamp wins. Events that some field still comes from are live; they are never compacted.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::{
    clock::Hlc,
    on,
    storage::{Error, Tx, schema::events},
};

/// Where a change comes from: the order of changes (hlc, then origin), and the event that brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When, in hybrid logical time.
    pub hlc: Hlc,
    /// Who made the event; decides between equal times.
    pub origin: Uuid,
    /// The event's stream, by its number in this database.
    pub stream: i64,
    /// The event's position in the stream.
    pub seq: i64,
}

impl Stamp {
    /// Whether this change is later than `other`.
    pub fn is_after(&self, other: &Self) -> bool {
        (self.hlc, self.origin, self.seq) > (other.hlc, other.origin, other.seq)
    }

    /// As it stands in a stored field clock, after the field.
    pub fn to_bytes(&self) -> [u8; ENTRY_LEN - 1] {
        let mut bytes = [0; ENTRY_LEN - 1];
        bytes[..8].copy_from_slice(&self.hlc.0.to_be_bytes());
        bytes[8..24].copy_from_slice(self.origin.as_bytes());
        bytes[24..32].copy_from_slice(&self.stream.to_be_bytes());
        bytes[32..].copy_from_slice(&self.seq.to_be_bytes());
        bytes
    }
}

/// A mergeable field of a row. The numbers are stored: they are never given to another field.
pub type Field = u8;

/// Bytes of one stored field clock: field, hlc, origin, stream, seq.
pub const ENTRY_LEN: usize = 1 + 8 + 16 + 8 + 8;

/// The merge of one event into one row.
pub struct Merge {
    clocks: Vec<(Field, Stamp)>,
    stamp: Stamp,
    live: i32,
    superseded: Vec<(i64, i64)>,
}

impl Merge {
    /// Starts with the row's stored clocks (empty for a new row).
    pub fn new(clocks: &[u8], stamp: &Stamp) -> Result<Self, Error> {
        Ok(Self { clocks: decode(clocks)?, stamp: *stamp, live: 0, superseded: Vec::new() })
    }

    /// Whether the event's value for `field` is the one to keep. Saying yes again to the same event makes applying it
    /// twice harmless.
    pub fn takes(&mut self, field: Field) -> bool {
        match self.clocks.iter_mut().find(|(known, _)| *known == field) {
            Some((_, held)) if *held == self.stamp => {}
            Some((_, held)) if self.stamp.is_after(held) => {
                self.superseded.push((held.stream, held.seq));
                *held = self.stamp;
            }
            Some(_) => return false,
            None => self.clocks.push((field, self.stamp)),
        }
        self.live += 1;
        true
    }

    /// Gives up `field`, whoever set it and whenever: what the event says makes it meaningless for ever. So it is decided
    /// alike in whatever order events come which of them are live.
    pub fn clears(&mut self, field: Field) {
        if let Some(at) = self.clocks.iter().position(|(known, _)| *known == field) {
            let (_, held) = self.clocks.swap_remove(at);
            if held == self.stamp {
                self.live = (self.live - 1).max(0);
            } else {
                self.superseded.push((held.stream, held.seq));
            }
        }
    }

    /// Whether `field` comes from this very event: it is applied again.
    pub fn holds(&self, field: Field) -> bool {
        self.clocks.iter().any(|(known, held)| *known == field && *held == self.stamp)
    }

    /// Whether any event set `field` before.
    pub fn is_set(&self, field: Field) -> bool {
        self.clocks.iter().any(|(known, _)| *known == field)
    }

    /// Ends the merge: events that lost a field are told so. Returns the clocks to store in the row and how many fields
    /// the event holds, which `apply` passes on.
    pub async fn settle(self, tx: &mut Tx) -> Result<(Vec<u8>, i32), Error> {
        let (clocks, live, superseded) = self.finish();
        for (stream, seq) in superseded {
            on!(tx, conn => diesel::update(events::table.find((stream, seq)))
                .set(events::live.eq(events::live - 1))
                .cached()
                .execute(conn)
                .await)?;
        }
        Ok((clocks, live))
    }

    /// Ends the merge without a database: the clocks to store in the row, how many fields the event holds, and the
    /// events (stream, seq) that lost a field, one entry a field.
    pub fn finish(mut self) -> (Vec<u8>, i32, Vec<(i64, i64)>) {
        (self.encode(), self.live, std::mem::take(&mut self.superseded))
    }

    fn encode(&mut self) -> Vec<u8> {
        self.clocks.sort_by_key(|(field, _)| *field);
        let mut bytes = Vec::with_capacity(self.clocks.len() * ENTRY_LEN);
        for (field, stamp) in &self.clocks {
            bytes.push(*field);
            bytes.extend_from_slice(&stamp.to_bytes());
        }
        bytes
    }
}

/// The event that a field of a row comes from.
pub fn source(clocks: &[u8], field: Field) -> Result<Option<Stamp>, Error> {
    Ok(decode(clocks)?.into_iter().find(|(known, _)| *known == field).map(|(_, stamp)| stamp))
}

/// The events that the fields of a row come from, one entry a field.
pub fn sources(clocks: &[u8]) -> Result<Vec<Stamp>, Error> {
    Ok(decode(clocks)?.into_iter().map(|(_, stamp)| stamp).collect())
}

fn decode(bytes: &[u8]) -> Result<Vec<(Field, Stamp)>, Error> {
    let (entries, rest) = bytes.as_chunks::<ENTRY_LEN>();
    if !rest.is_empty() {
        return Err(Error::Damaged("a row's field clocks are cut off".into()));
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    Ok(entries
        .iter()
        .map(|entry| {
            let mut origin = [0; 16];
            origin.copy_from_slice(&entry[9..25]);
            let stamp = Stamp {
                hlc: Hlc(number(&entry[1..9])),
                origin: Uuid::from_bytes(origin),
                stream: number(&entry[25..33]).cast_signed(),
                seq: number(&entry[33..41]).cast_signed(),
            };
            (entry[0], stamp)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stamp(hlc: u64, origin: u128, seq: i64) -> Stamp {
        Stamp { hlc: Hlc(hlc), origin: Uuid::from_u128(origin), stream: origin as i64, seq }
    }

    /// A row with one value a field, merged as features do it.
    fn merged(changes: &[(Field, Stamp)]) -> (Vec<u8>, Vec<(Field, i64)>) {
        let (mut clocks, mut row) = (Vec::new(), Vec::<(Field, i64)>::new());
        for (field, stamp) in changes {
            let mut merge = Merge::new(&clocks, stamp).unwrap();
            if merge.takes(*field) {
                row.retain(|(known, _)| known != field);
                row.push((*field, stamp.seq));
            }
            clocks = merge.encode();
        }
        row.sort_unstable();
        (clocks, row)
    }

    proptest! {
        #[test]
        fn order_and_repetition_change_nothing(
            changes in prop::collection::vec((0_u8..4, 0_u64..6, 0_u128..4), 0..20),
            seed in any::<prop::sample::Index>(),
        ) {
            let changes: Vec<_> = changes
                .iter()
                .enumerate()
                .map(|(at, (field, hlc, origin))| (*field, stamp(*hlc, *origin, at as i64)))
                .collect();
            let expected = merged(&changes);
            let mut shuffled = changes.clone();
            shuffled.reverse();
            if !shuffled.is_empty() {
                let at = seed.index(shuffled.len());
                shuffled.rotate_left(at);
                shuffled.push(shuffled[at / 2]);
            }
            prop_assert_eq!(merged(&shuffled), expected);
        }
    }

    #[test]
    fn cut_off_clocks_are_noticed() {
        assert!(Merge::new(&[0; ENTRY_LEN + 1], &stamp(1, 1, 1)).is_err());
    }
}
