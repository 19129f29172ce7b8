//! Reading an encrypted file, chunk by chunk; each is authentic before anything of it is given out.

use std::io::{self, BufRead, Read};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use ring::{
    aead::{Aad, LessSafeKey, Nonce},
    hmac,
};

use super::{CHUNK, Error, FIRST_LINE, Identity, TAG, cipher, header_key, nonce, payload_key, wrapping_key};

/// Longest line of a header; those that are known have 60 letters or so.
const LINE_MAX: u64 = 4_096;

/// Lines of a header at the most: recipients, two lines each.
const LINES_MAX: usize = 64;

/// Opens what is read from it.
pub struct Open<R: BufRead> {
    from: R,
    key: LessSafeKey,
    number: u64,
    plain: Vec<u8>,
    at: usize,
    is_over: bool,
}

impl<R: BufRead> Open<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// It is no such file, or it is for another key.
    pub fn begin(mut from: R, identity: &Identity) -> Result<Self, Error> {
        let file_key = header(&mut from, identity)?;
        let mut salt = [0; 16];
        from.read_exact(&mut salt).map_err(|_| Error::File("ends within its header"))?;
        let key = payload_key(&file_key, &salt)?;
        Ok(Self { from, key, number: 0, plain: Vec::new(), at: 0, is_over: false })
    }

    fn chunk(&mut self) -> io::Result<()> {
        let damaged = |why| io::Error::new(io::ErrorKind::InvalidData, why);
        let mut chunk = Vec::with_capacity(CHUNK + TAG);
        self.from.by_ref().take((CHUNK + TAG) as u64).read_to_end(&mut chunk)?;
        let is_last = self.from.fill_buf()?.is_empty();
        let plain = self
            .key
            .open_in_place(nonce(self.number, is_last), Aad::empty(), &mut chunk)
            .map_err(|_| damaged("the encrypted file is damaged or cut off"))?
            .len();
        if plain == 0 && self.number > 0 {
            return Err(damaged("the encrypted file ends with an empty chunk"));
        }
        chunk.truncate(plain);
        self.number += 1;
        (self.plain, self.at, self.is_over) = (chunk, 0, is_last);
        Ok(())
    }
}

impl<R: BufRead> Read for Open<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() {
            if self.is_over {
                return Ok(0);
            }
            self.chunk()?;
        }
        let count = to.len().min(self.plain.len() - self.at);
        to[..count].copy_from_slice(&self.plain[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

fn line(from: &mut impl BufRead, header: &mut String) -> Result<String, Error> {
    let mut line = String::new();
    from.by_ref().take(LINE_MAX).read_line(&mut line).map_err(|_| Error::File("has a header that can't be read"))?;
    let text = line.strip_suffix('\n').ok_or(Error::File("ends within its header"))?.to_owned();
    header.push_str(&line);
    Ok(text)
}

/// The file's key, once the header proves to be whole.
fn header(from: &mut impl BufRead, identity: &Identity) -> Result<[u8; 16], Error> {
    let mut header = String::new();
    if line(from, &mut header)? != FIRST_LINE {
        return Err(Error::File("is of an unknown format"));
    }
    let mut file_key = None;
    for _ in 0..LINES_MAX {
        let before = header.len();
        let text = line(from, &mut header)?;
        if let Some(mac) = text.strip_prefix("--- ") {
            let file_key: [u8; 16] = file_key.ok_or(Error::File("is for another key"))?;
            let mac = BASE64.decode(mac).map_err(|_| Error::File("has a damaged header"))?;
            let said = &header.as_bytes()[..before + "---".len()];
            hmac::verify(&header_key(&file_key)?, said, &mac).map_err(|_| Error::File("has a damaged header"))?;
            return Ok(file_key);
        }
        if let Some(share) = text.strip_prefix("-> X25519 ") {
            let wrapped = line(from, &mut header)?;
            file_key = file_key.or(unwrapped(share, &wrapped, identity)?);
        }
    }
    Err(Error::File("has a header that does not end"))
}

/// The file's key, if it was wrapped for this identity.
fn unwrapped(share: &str, wrapped: &str, identity: &Identity) -> Result<Option<[u8; 16]>, Error> {
    let damaged = || Error::File("has a damaged header");
    let share: [u8; 32] = BASE64.decode(share).ok().and_then(|share| share.try_into().ok()).ok_or_else(damaged)?;
    let mut wrapped = BASE64.decode(wrapped).map_err(|_| damaged())?;
    let key = wrapping_key(&identity.agree(share), &share, &identity.recipient().0)?;
    let opened = cipher(&key)?.open_in_place(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut wrapped);
    Ok(opened.ok().and_then(|key| <[u8; 16]>::try_from(&*key).ok()))
}
