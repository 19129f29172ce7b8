//! Writing an encrypted file, chunk by chunk.

use std::io::{self, Write};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use ring::{
    aead::{Aad, LessSafeKey, Nonce},
    hmac,
};

use super::{CHUNK, Error, FIRST_LINE, Recipient, cipher, header_key, keys, nonce, payload_key, random, wrapping_key};

/// Seals what is written into it. Nothing of it can be opened before [`Seal::finish`].
pub struct Seal<W: Write> {
    to: W,
    key: LessSafeKey,
    number: u64,
    held: Vec<u8>,
}

impl<W: Write> Seal<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// It can't be written, or the recipient is no proper key.
    pub fn begin(mut to: W, recipient: &Recipient) -> Result<Self, Error> {
        let (file_key, secret) = (random::<16>()?, random::<32>()?);
        let share = keys::public(secret);
        let wrapping = wrapping_key(&keys::agree(recipient.0, secret), &share, &recipient.0)?;
        let mut wrapped = file_key.to_vec();
        // The key is used once, so the nonce may be the same.
        cipher(&wrapping)?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut wrapped)
            .map_err(|_| Error::File("has a key that can't be wrapped"))?;
        let header = format!("{FIRST_LINE}\n-> X25519 {}\n{}\n---", BASE64.encode(share), BASE64.encode(wrapped));
        let mac = hmac::sign(&header_key(&file_key)?, header.as_bytes());
        to.write_all(format!("{header} {}\n", BASE64.encode(mac)).as_bytes())?;
        let salt = random::<16>()?;
        to.write_all(&salt)?;
        Ok(Self { to, key: payload_key(&file_key, &salt)?, number: 0, held: Vec::with_capacity(CHUNK) })
    }

    fn chunk(&mut self, is_last: bool) -> io::Result<()> {
        let mut chunk = std::mem::replace(&mut self.held, Vec::with_capacity(CHUNK));
        self.key
            .seal_in_place_append_tag(nonce(self.number, is_last), Aad::empty(), &mut chunk)
            .map_err(|_| io::Error::other("a chunk could not be encrypted"))?;
        self.number += 1;
        self.to.write_all(&chunk)
    }

    /// Writes the last chunk; gives back where it was written to.
    ///
    /// # Errors
    /// It can't be written.
    pub fn finish(mut self) -> Result<W, Error> {
        self.chunk(true)?;
        self.to.flush()?;
        Ok(self.to)
    }
}

impl<W: Write> Write for Seal<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk waits for the next byte: only then it is not the last one.
        if self.held.len() == CHUNK && !bytes.is_empty() {
            self.chunk(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.held.len());
        self.held.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
