//! Looking at a backup without putting it back: every byte of it, and for SQLite the database in it too.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use super::{
    Error, Header, Passing, Trailer,
    age::Identity,
    beside, blocking, file,
    format::Piece,
    fresh_private,
    pages::{Pages, damaged},
    sqlite,
};

/// Reads all of a backup; tells what it says of itself and what is in it.
///
/// # Errors
/// It is damaged, cut off, or can't be read.
pub async fn verify(path: PathBuf, identity: Option<Identity>) -> Result<(Header, Trailer), Error> {
    blocking(move || {
        let (header, trailer) = read(&path, identity.as_ref())?;
        if header.database == "sqlite" {
            let copy = beside(&path, ".verify");
            let _passing = Passing(copy.clone());
            extract(&path, identity.as_ref(), &copy)?;
            check_sqlite(&path, &copy, &trailer)?;
        }
        Ok((header, trailer))
    })
    .await
}

/// Reads all of a backup and proves it by its checksums.
pub(super) fn read(path: &Path, identity: Option<&Identity>) -> Result<(Header, Trailer), Error> {
    let (mut pages, header) = Pages::open(path, identity)?;
    while pages.piece()?.is_some() {}
    Ok((header, pages.finish()?))
}

/// Writes the payload of SQLite into a new file of the owner's alone, and has it on disk.
pub(super) fn extract(path: &Path, identity: Option<&Identity>, to: &Path) -> Result<(), Error> {
    let (mut pages, _) = Pages::open(path, identity)?;
    let mut target = fresh_private(to)?;
    while let Some(piece) = pages.piece()? {
        match piece {
            Piece::Data(bytes) => target.write_all(&bytes).map_err(file(to))?,
            Piece::Table(_) => return Err(damaged(path)("it has tables where a database should be".to_owned())),
        }
    }
    pages.finish()?;
    target.sync_all().map_err(file(to))
}

/// Makes sure that a database is whole and has the rows that were counted.
pub(super) fn check_sqlite(path: &Path, database: &Path, trailer: &Trailer) -> Result<(), Error> {
    if let Some(problem) = sqlite::check(database)? {
        return Err(damaged(path)(format!("the database in it is damaged: {problem}")));
    }
    if sqlite::count(database)? != trailer.tables {
        return Err(damaged(path)("the database in it has other rows than were counted".to_owned()));
    }
    Ok(())
}
