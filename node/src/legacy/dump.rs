//! A file that `pg_dump` wrote as plain text, compressed with gzip or not. Read line by line; a file that is cut off is
//! refused as a whole.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use super::{Error, snapshot::Loader, table::Table};
use crate::app::Progress;

/// Longest line, in bytes: the widest row of the old schema has about 20 KiB.
const LINE_MAX: u64 = 4 * 1_024 * 1_024;

/// Bytes read at a time.
const BUFFER: usize = 64 * 1_024;

/// Rows between two looks at the progress.
const PROGRESS_EVERY: usize = 5_000;

/// How files in `pg_dump`'s own formats begin: custom, and tar (whose first member has this name).
const CUSTOM: &[&[u8]] = &[b"PGDMP", b"toc.dat\0"];

/// How gzip files begin.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// How the last lines of complete dumps begin.
const ENDS: &[&str] = &["-- PostgreSQL database dump complete", "-- PostgreSQL database cluster dump complete"];

/// Reads a dump. It blocks.
///
/// # Errors
/// The file can't be read, is of another format, or is not complete.
pub(super) fn read(path: &Path, loader: &mut Loader, progress: Progress) -> Result<(), Error> {
    let cannot = |error: std::io::Error| Error::Source(format!("{} cannot be read: {error}", path.display()));
    let file = File::open(path).map_err(cannot)?;
    if file.metadata().map_err(cannot)?.is_dir() {
        return Err(wrong_format());
    }
    let mut raw = BufReader::with_capacity(BUFFER, file);
    if raw.fill_buf().map_err(cannot)?.starts_with(GZIP) {
        let mut plain = BufReader::with_capacity(BUFFER, MultiGzDecoder::new(raw));
        text(&mut plain, loader, progress)
    } else {
        text(&mut raw, loader, progress)
    }
}

fn wrong_format() -> Error {
    let why =
        "the dump is not plain text: turn it into that with `pg_restore -f - FILE > dump.sql` and import dump.sql";
    Error::Source(why.into())
}

/// Where in the text a line stands.
enum Place {
    Outside,
    /// Among the rows of a table; none when it is not wanted.
    Rows(Option<Table>),
}

fn text(reader: &mut impl BufRead, loader: &mut Loader, progress: Progress) -> Result<(), Error> {
    let cut = |error: std::io::Error| Error::Source(format!("the dump is cut off or damaged: {error}"));
    let start = reader.fill_buf().map_err(cut)?;
    if CUSTOM.iter().any(|mark| start.starts_with(mark)) {
        return Err(wrong_format());
    }
    let (mut place, mut is_complete, mut line) = (Place::Outside, false, Vec::new());
    loop {
        line.clear();
        if reader.by_ref().take(LINE_MAX + 1).read_until(b'\n', &mut line).map_err(cut)? == 0 {
            break;
        }
        if line.len() as u64 > LINE_MAX {
            return Err(Error::Source(format!("the dump has a line of more than {LINE_MAX} bytes")));
        }
        let row = line.trim_ascii_end_of_line();
        place = match place {
            Place::Rows(_) if row == b"\\." => Place::Outside,
            Place::Rows(table) => {
                if let Some(table) = table {
                    loader.row(table, row)?;
                    if loader.rows().is_multiple_of(PROGRESS_EVERY) {
                        progress.reading(loader.rows());
                    }
                }
                Place::Rows(table)
            }
            Place::Outside => {
                let line = String::from_utf8_lossy(row);
                is_complete |= ENDS.iter().any(|end| line.starts_with(end));
                outside(&line, loader)?
            }
        };
    }
    match place {
        Place::Outside if is_complete => Ok(()),
        _ => Err(Error::Source(
            "the dump is cut off: it does not end as pg_dump ends a file; nothing was imported".into(),
        )),
    }
}

trait EndOfLine {
    fn trim_ascii_end_of_line(&self) -> &[u8];
}

impl EndOfLine for Vec<u8> {
    /// Without the end of the line, also that of other systems: rows hold theirs in escapes.
    fn trim_ascii_end_of_line(&self) -> &[u8] {
        let line = self.strip_suffix(b"\n").unwrap_or(self);
        line.strip_suffix(b"\r").unwrap_or(line)
    }
}

fn outside(line: &str, loader: &mut Loader) -> Result<Place, Error> {
    if let Some(rest) = line.strip_prefix("COPY ")
        && let Some(head) = rest.strip_suffix(" FROM stdin;")
    {
        let (name, columns) = head.split_once(" (").unwrap_or((head, ""));
        let Some(table) = Table::of(name) else { return Ok(Place::Rows(None)) };
        let columns = columns.trim_end_matches(')').split(", ").map(|name| name.trim_matches('"').to_owned());
        loader.table(table, &columns.collect::<Vec<_>>())?;
        return Ok(Place::Rows(Some(table)));
    }
    if let Some(rest) = line.strip_prefix("INSERT INTO ")
        && Table::of(rest.split(' ').next().unwrap_or_default()).is_some()
    {
        let why = "the dump has INSERT statements: make it again without --inserts and --column-inserts";
        return Err(Error::Source(why.into()));
    }
    if let Some(encoding) = line.strip_prefix("SET client_encoding = ")
        && !matches!(encoding.trim_end_matches(';').trim_matches('\''), "UTF8" | "SQL_ASCII")
    {
        return Err(Error::Source("the dump is not in UTF-8: make it again with --encoding=UTF8".into()));
    }
    Ok(Place::Outside)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn load(bytes: &[u8]) -> Result<usize, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut loader = Loader::default();
        read(file.path(), &mut loader, Progress::silent()).map_err(|error| error.to_string())?;
        Ok(loader.rows())
    }

    const DUMP: &str = "SET client_encoding = 'UTF8';\nCOPY public.auth_group (id, name) FROM stdin;\n1\tx\n\\.\n\
        COPY public.backend_preference (\"PreferenceID\", \"Preference\", \"UserID_id\") FROM stdin;\n1\tmango\t1\n\\.\n\
        --\n-- PostgreSQL database dump complete\n--\n";

    fn zipped(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_compressed_dumps_are_read() {
        assert_eq!(load(DUMP.as_bytes()), Ok(1));
        assert_eq!(load(DUMP.replace('\n', "\r\n").as_bytes()), Ok(1));
        assert_eq!(load(&zipped(DUMP)), Ok(1));
    }

    #[test]
    fn whatever_is_cut_off_is_refused() {
        let end = DUMP.find("-- PostgreSQL").unwrap();
        for at in [0, 10, DUMP.find("mango").unwrap(), end] {
            assert!(load(&DUMP.as_bytes()[..at]).unwrap_err().contains("cut off"), "{at}");
        }
        let zipped = zipped(DUMP);
        for at in [2, 20, zipped.len() - 9, zipped.len() - 1] {
            assert!(load(&zipped[..at]).unwrap_err().contains("cut off"), "{at}");
        }
    }

    #[test]
    fn other_formats_are_named() {
        for start in [&b"PGDMP\x01\x0e"[..], b"toc.dat\0\0"] {
            assert!(load(start).unwrap_err().contains("pg_restore -f -"));
        }
        assert!(load(&zipped("PGDMP")).unwrap_err().contains("pg_restore -f -"));
        assert!(load(b"INSERT INTO public.auth_user VALUES (1);\n").unwrap_err().contains("--inserts"));
        assert!(load(b"SET client_encoding = 'LATIN1';\n").unwrap_err().contains("UTF-8"));
        assert!(load(&[DUMP, DUMP].concat().into_bytes()).unwrap_err().contains("twice"));
        let lacks = DUMP.replace("\"Preference\"", "\"Taste\"");
        assert!(load(lacks.as_bytes()).unwrap_err().contains("no column Preference"));
    }
}
