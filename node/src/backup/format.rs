//! The file: a line that says what it is, a header, the payload in pieces, a trailer with what was counted, and a checksum
//! over all of it. It can be written and read in one go, whatever its size, and nothing of it is believed before its end.

use std::io::{Read, Write};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// What every file begins with; the digit is the version of the form.
pub(super) const MAGIC: &[u8] = b"codepop-backup/1\n";

/// Bytes of one piece at the most.
pub(super) const PIECE_MAX: usize = 256 * 1024;

/// Bytes of header and trailer at the most; real ones have some kilobytes.
const TEXT_MAX: u32 = 1024 * 1024;

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The chain's name.
    pub chain: String,
    /// UUID of the node whose database it is.
    pub node_id: Uuid,
    /// Its number.
    pub node_number: u32,
    /// `store` or `hub`.
    pub kind: String,
    /// Code of its region.
    pub region: String,
    /// `sqlite` or `postgres`.
    pub database: String,
    /// Migrations that the database has had.
    pub migrations: Vec<String>,
    /// When it was taken.
    pub taken_at: DateTime<Utc>,
    /// Version of the program that took it.
    pub version: String,
}

/// What was counted while it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trailer {
    /// Tables and their rows.
    pub tables: Vec<TableRows>,
    /// Bytes of the payload.
    pub payload_bytes: u64,
    /// SHA-256 of the payload, hexadecimal: the backup's digest.
    pub payload_sha256: String,
}

/// A table and how many rows it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRows {
    /// Its name.
    pub table: String,
    /// Its rows.
    pub rows: u64,
}

impl Trailer {
    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

/// One piece of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// What follows is of this table.
    Table(TableColumns),
    /// Bytes.
    Data(Vec<u8>),
}

/// A table and its columns, in the order of the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TableColumns {
    pub(super) table: String,
    pub(super) columns: Vec<String>,
}

const TABLE: u8 = b'T';
const DATA: u8 = b'D';
const END: u8 = b'E';

/// Writes a file.
pub(super) struct Writer<W: Write> {
    to: W,
    all: Sha256,
    payload: Sha256,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(to: W, header: &Header) -> std::io::Result<Self> {
        let mut writer = Self { to, all: Sha256::new(), payload: Sha256::new(), bytes: 0 };
        writer.put(MAGIC)?;
        writer.text(&serde_json::to_vec(header)?)?;
        Ok(writer)
    }

    pub(super) fn piece(&mut self, piece: &Piece) -> std::io::Result<()> {
        let (tag, bytes) = match piece {
            Piece::Table(table) => (TABLE, &serde_json::to_vec(table)?),
            Piece::Data(bytes) => (DATA, bytes),
        };
        for part in bytes.chunks(PIECE_MAX) {
            self.put(&[tag])?;
            self.put(&length(part))?;
            self.put(part)?;
            self.payload.update([tag]);
            self.payload.update(part);
            self.bytes += part.len() as u64;
        }
        Ok(())
    }

    /// Ends the file; gives back where it was written to, and what was counted.
    pub(super) fn finish(mut self, tables: Vec<TableRows>) -> std::io::Result<(W, Trailer)> {
        let payload_sha256 = hex::encode(self.payload.clone().finalize());
        let trailer = Trailer { tables, payload_bytes: self.bytes, payload_sha256 };
        self.put(&[END])?;
        self.text(&serde_json::to_vec(&trailer)?)?;
        let sum = self.all.clone().finalize();
        self.to.write_all(&sum)?;
        Ok((self.to, trailer))
    }

    fn text(&mut self, text: &[u8]) -> std::io::Result<()> {
        self.put(&length(text))?;
        self.put(text)
    }

    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.all.update(bytes);
        self.to.write_all(bytes)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "pieces and texts are far below 4 GiB")]
fn length(bytes: &[u8]) -> [u8; 4] {
    (bytes.len() as u32).to_be_bytes()
}

/// Why a file can't be read, in words that go after its name.
pub(super) type Problem = String;

/// Reads a file.
pub(super) struct Reader<R: Read> {
    from: R,
    all: Sha256,
    payload: Sha256,
    bytes: u64,
}

impl<R: Read> Reader<R> {
    pub(super) fn begin(from: R) -> Result<(Self, Header), Problem> {
        let mut reader = Self { from, all: Sha256::new(), payload: Sha256::new(), bytes: 0 };
        let mut magic = vec![0; MAGIC.len()];
        reader.take(&mut magic)?;
        if magic != MAGIC {
            return Err("it is no backup of this program, or of a newer one".to_owned());
        }
        let header = reader.text()?;
        let header = serde_json::from_slice(&header).map_err(|_| "its header cannot be read".to_owned())?;
        Ok((reader, header))
    }

    /// The next piece; none at the payload's end.
    pub(super) fn piece(&mut self) -> Result<Option<Piece>, Problem> {
        let mut tag = [0];
        self.take(&mut tag)?;
        if tag[0] == END {
            return Ok(None);
        }
        let bytes = self.sized(PIECE_MAX as u32)?;
        self.payload.update(tag);
        self.payload.update(&bytes);
        self.bytes += bytes.len() as u64;
        match tag[0] {
            DATA => Ok(Some(Piece::Data(bytes))),
            TABLE => {
                let table =
                    serde_json::from_slice(&bytes).map_err(|_| "it is damaged: a table has no name".to_owned())?;
                Ok(Some(Piece::Table(table)))
            }
            _ => Err("it is damaged".to_owned()),
        }
    }

    /// Reads the end, after the last piece: only now it is proven that all of it is as it was written.
    pub(super) fn finish(mut self) -> Result<Trailer, Problem> {
        let trailer = self.text()?;
        let sum: [u8; 32] = self.all.clone().finalize().into();
        let mut said = [0; 32];
        self.from.read_exact(&mut said).map_err(cut_off)?;
        if said != sum {
            return Err("it is damaged: its checksum is another".to_owned());
        }
        if self.from.read(&mut [0]).map_err(cut_off)? != 0 {
            return Err("it is damaged: bytes follow its end".to_owned());
        }
        let trailer: Trailer = serde_json::from_slice(&trailer).map_err(|_| "its trailer cannot be read".to_owned())?;
        let counted = (self.bytes, hex::encode(self.payload.finalize()));
        if counted != (trailer.payload_bytes, trailer.payload_sha256.clone()) {
            return Err("it is damaged: its payload is another than it says".to_owned());
        }
        Ok(trailer)
    }

    fn text(&mut self) -> Result<Vec<u8>, Problem> {
        self.sized(TEXT_MAX)
    }

    fn sized(&mut self, max: u32) -> Result<Vec<u8>, Problem> {
        let mut length = [0; 4];
        self.take(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > max {
            return Err("it is damaged: a part is longer than any can be".to_owned());
        }
        let mut bytes = vec![0; length as usize];
        self.take(&mut bytes)?;
        Ok(bytes)
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<(), Problem> {
        self.from.read_exact(bytes).map_err(cut_off)?;
        self.all.update(&*bytes);
        Ok(())
    }
}

fn cut_off(error: std::io::Error) -> Problem {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "it is cut off".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            chain: "test".into(),
            node_id: Uuid::from_u128(7),
            node_number: 1000,
            kind: "store".into(),
            region: "C".into(),
            database: "postgres".into(),
            migrations: vec!["1".into()],
            taken_at: DateTime::UNIX_EPOCH,
            version: "0".into(),
        }
    }

    fn written() -> Vec<u8> {
        let mut writer = Writer::begin(Vec::new(), &header()).unwrap();
        writer.piece(&Piece::Table(TableColumns { table: "t".into(), columns: vec!["a".into()] })).unwrap();
        writer.piece(&Piece::Data(vec![1; PIECE_MAX + 1])).unwrap();
        writer.finish(vec![TableRows { table: "t".into(), rows: 3 }]).unwrap().0
    }

    fn read(bytes: &[u8]) -> Result<(Header, Vec<Piece>, Trailer), Problem> {
        let (mut reader, header) = Reader::begin(bytes)?;
        let mut pieces = Vec::new();
        while let Some(piece) = reader.piece()? {
            pieces.push(piece);
        }
        Ok((header, pieces, reader.finish()?))
    }

    #[test]
    fn what_is_written_is_read() {
        let (read_header, pieces, trailer) = read(&written()).unwrap();
        assert_eq!((read_header, pieces.len(), trailer.rows()), (header(), 3, 3));
    }

    #[test]
    fn no_changed_cut_or_added_byte_goes_unseen() {
        let good = written();
        for at in (0..400).chain((400..good.len()).step_by(1_009)).chain(good.len() - 300..good.len()) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(read(&bad).is_err(), "byte {at}");
        }
        for length in [0, 5, 30, good.len() / 2, good.len() - 1] {
            assert!(read(&good[..length]).is_err(), "cut off at {length}");
        }
        assert!(read(&[&good[..], b"x"].concat()).is_err());
    }
}
