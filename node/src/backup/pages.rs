//! A backup's file opened for reading, encrypted or not.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read},
    path::Path,
};

use super::{
    Error,
    age::{FIRST_LINE, Identity, Open},
    file,
    format::{Header, Piece, Reader, Trailer},
};

/// A backup that is being read.
pub(super) struct Pages<'a> {
    path: &'a Path,
    reader: Reader<Box<dyn Read>>,
}

impl<'a> Pages<'a> {
    /// Opens a file and reads its header, which proves nothing yet.
    pub(super) fn open(path: &'a Path, identity: Option<&Identity>) -> Result<(Self, Header), Error> {
        let mut source = BufReader::new(File::open(path).map_err(file(path))?);
        let is_sealed = source.fill_buf().map_err(file(path))?.starts_with(FIRST_LINE.as_bytes());
        let source: Box<dyn Read> = match (is_sealed, identity) {
            (true, Some(identity)) => Box::new(Open::begin(source, identity)?),
            (true, None) => {
                let why = "the backup is encrypted: name the file with its secret key by --identity";
                return Err(Error::refused(why));
            }
            (false, _) => Box::new(source),
        };
        let (reader, header) = Reader::begin(source).map_err(damaged(path))?;
        Ok((Self { path, reader }, header))
    }

    /// The next piece; none at the end.
    pub(super) fn piece(&mut self) -> Result<Option<Piece>, Error> {
        self.reader.piece().map_err(damaged(self.path))
    }

    /// Reads the end, which proves that all of it is as it was written.
    pub(super) fn finish(self) -> Result<Trailer, Error> {
        self.reader.finish().map_err(damaged(self.path))
    }
}

pub(super) fn damaged(path: &Path) -> impl FnOnce(String) -> Error {
    move |problem| Error::Damaged { path: path.to_owned(), problem }
}
