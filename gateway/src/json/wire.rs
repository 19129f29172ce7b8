//! The protobuf wire format: varints, tags and records, read from a slice and appended to a buffer.

/// The bytes are not a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a protobuf message of the expected type")]
pub(crate) struct Broken;

/// The value of one record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Raw<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// Reads records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next field number and value; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Raw<'a>)>, Broken> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = u32::try_from(self.varint()?).map_err(|_| Broken)?;
        let value = match tag & 7 {
            0 => Raw::Varint(self.varint()?),
            1 => Raw::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Broken)?;
                Raw::Bytes(self.take(length)?)
            }
            5 => Raw::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Broken),
        };
        if tag >> 3 == 0 {
            return Err(Broken);
        }
        Ok(Some((tag >> 3, value)))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0;
        for (at, byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        Err(Broken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        self.take(N)?.try_into().map_err(|_| Broken)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Broken)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// The last value of a field of the outermost message, as protobuf readers would see it.
pub(crate) fn last(bytes: &[u8], number: u32) -> Option<Raw<'_>> {
    let mut records = Records::new(bytes);
    let mut found = None;
    while let Ok(Some((at, value))) = records.next() {
        if at == number {
            found = Some(value);
        }
    }
    found
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a tag; `wire` is the wire type.
pub(crate) fn put_tag(out: &mut Vec<u8>, number: u32, wire: u32) {
    put_varint(out, u64::from(number << 3 | wire));
}

/// Writes a record of bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_tag(out, number, 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Opens a record whose length is not known yet; [`close`] it with the value returned.
pub(crate) fn open(out: &mut Vec<u8>, number: u32) -> usize {
    put_tag(out, number, 2);
    // One byte is enough for most; `close` makes room for more.
    out.push(0);
    out.len()
}

/// Writes the length of the record that [`open`] began.
pub(crate) fn close(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    if let Ok(short) = u8::try_from(length)
        && short < 0x80
    {
        out[start - 1] = short;
        return;
    }
    let mut prefix = Vec::with_capacity(5);
    put_varint(&mut prefix, length as u64);
    out.splice(start - 1..start, prefix);
}

pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_any_size_are_closed() {
        for length in [0, 1, 127, 128, 300, 20_000] {
            let mut out = Vec::new();
            let start = open(&mut out, 3);
            out.resize(out.len() + length, 7);
            close(&mut out, start);
            assert_eq!(Records::new(&out).next(), Ok(Some((3, Raw::Bytes(&vec![7; length])))));
        }
    }

    #[test]
    fn broken_bytes_are_refused() {
        for bytes in [&[0x0a, 5, 1][..], &[0x08], &[0x80; 11], &[0x0b], &[0x00, 1]] {
            assert_eq!(Records::new(bytes).next(), Err(Broken), "{bytes:?}");
        }
    }

    #[test]
    fn zigzag_is_its_own_inverse() {
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }
}
