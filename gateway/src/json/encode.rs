//! Protobuf to JSON. Each message is scanned once, noting where its fields are; then the fields are written in the
//! contract's order, the unset ones as defaults or `null`.

use super::{
    DEPTH_MAX, Kind, MessageId, Schema, Shape, scalar,
    schema::Field,
    timestamp,
    wire::{Broken, Raw, Records, unzigzag},
};

/// Where the values of one field are.
#[derive(Clone, Copy)]
struct Slot<'a> {
    /// How many records there are.
    count: u32,
    /// How many bytes were left at the first one.
    first_left: usize,
    last: Raw<'a>,
}

const EMPTY: Slot<'static> = Slot { count: 0, first_left: 0, last: Raw::Varint(0) };

/// Writes a message, or only its field `only`, as JSON.
pub(crate) fn encode(schema: &Schema, id: MessageId, bytes: &[u8], only: Option<usize>) -> Result<Vec<u8>, Broken> {
    let mut encoder = Encoder { schema, slots: Vec::with_capacity(64), out: Vec::with_capacity(bytes.len() * 2 + 64) };
    match only {
        None => encoder.message(id, bytes, 0)?,
        Some(index) => encoder.only(id, bytes, index)?,
    }
    Ok(encoder.out)
}

struct Encoder<'s, 'a> {
    schema: &'s Schema,
    /// The slots of the messages under way, innermost last.
    slots: Vec<Slot<'a>>,
    out: Vec<u8>,
}

impl<'s, 'a> Encoder<'s, 'a> {
    fn message(&mut self, id: MessageId, bytes: &'a [u8], depth: usize) -> Result<(), Broken> {
        if depth > DEPTH_MAX {
            return Err(Broken);
        }
        let fields = &self.schema.message(id).fields;
        let base = self.scan(id, bytes)?;
        self.out.push(b'{');
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.out.extend_from_slice(&field.key);
            self.field(field, self.slots[base + index], bytes, depth)?;
        }
        self.out.push(b'}');
        self.slots.truncate(base);
        Ok(())
    }

    fn only(&mut self, id: MessageId, bytes: &'a [u8], index: usize) -> Result<(), Broken> {
        let base = self.scan(id, bytes)?;
        let slot = self.slots[base + index];
        self.field(&self.schema.message(id).fields[index], slot, bytes, 0)
    }

    /// Notes where the fields are; returns where their slots begin.
    fn scan(&mut self, id: MessageId, bytes: &'a [u8]) -> Result<usize, Broken> {
        let message = self.schema.message(id);
        let base = self.slots.len();
        self.slots.resize(base + message.fields.len(), EMPTY);
        let mut records = Records::new(bytes);
        loop {
            let left = records.left();
            let Some((number, value)) = records.next()? else { return Ok(base) };
            let Some(index) = message.by_number(number) else { continue };
            let slot = &mut self.slots[base + index];
            if slot.count == 0 {
                slot.first_left = left;
            }
            slot.count += 1;
            slot.last = value;
        }
    }

    fn field(&mut self, field: &'s Field, slot: Slot<'a>, bytes: &'a [u8], depth: usize) -> Result<(), Broken> {
        match field.shape {
            Shape::Repeated { .. } => self.list(field, slot, bytes, depth),
            Shape::Map(key) => self.map(field, key, slot, bytes, depth),
            Shape::Optional if slot.count == 0 => {
                self.out.extend_from_slice(b"null");
                Ok(())
            }
            Shape::Plain if slot.count == 0 => self.default(field.kind),
            _ if slot.count > 1 && matches!(field.kind, Kind::Message(_)) => self.merged(field, slot, bytes, depth),
            _ => self.value(field.kind, slot.last, depth),
        }
    }

    /// A message sent in pieces is the sum of its pieces; a rare sight, so it may cost a copy.
    fn merged(&mut self, field: &'s Field, slot: Slot<'a>, bytes: &'a [u8], depth: usize) -> Result<(), Broken> {
        let Kind::Message(id) = field.kind else { return Err(Broken) };
        let mut whole = Vec::new();
        each(field.number, slot, bytes, |value| match value {
            Raw::Bytes(piece) => {
                whole.extend_from_slice(piece);
                Ok(())
            }
            _ => Err(Broken),
        })?;
        let mut inner = Encoder { schema: self.schema, slots: Vec::new(), out: std::mem::take(&mut self.out) };
        inner.message(id, &whole, depth + 1)?;
        self.out = inner.out;
        Ok(())
    }

    fn list(&mut self, field: &'s Field, slot: Slot<'a>, bytes: &'a [u8], depth: usize) -> Result<(), Broken> {
        self.out.push(b'[');
        let start = self.out.len();
        each(field.number, slot, bytes, |value| match value {
            Raw::Bytes(packed) if field.kind.is_packable() => self.packed(field.kind, packed, start),
            value => {
                self.comma(start);
                self.value(field.kind, value, depth)
            }
        })?;
        self.out.push(b']');
        Ok(())
    }

    fn packed(&mut self, kind: Kind, packed: &[u8], start: usize) -> Result<(), Broken> {
        let mut values = Records::new(packed);
        while values.left() > 0 {
            self.comma(start);
            let value = match kind {
                Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Raw::Fixed64(u64::from_le_bytes(values.array()?)),
                Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Raw::Fixed32(u32::from_le_bytes(values.array()?)),
                _ => Raw::Varint(values.varint()?),
            };
            self.scalar(kind, value)?;
        }
        Ok(())
    }

    fn map(
        &mut self,
        field: &'s Field,
        key: Kind,
        slot: Slot<'a>,
        bytes: &'a [u8],
        depth: usize,
    ) -> Result<(), Broken> {
        self.out.push(b'{');
        let start = self.out.len();
        each(field.number, slot, bytes, |entry| {
            let Raw::Bytes(entry) = entry else { return Err(Broken) };
            let (mut name, mut value) = (None, None);
            let mut records = Records::new(entry);
            while let Some((number, record)) = records.next()? {
                match number {
                    1 => name = Some(record),
                    2 => value = Some(record),
                    _ => {}
                }
            }
            self.comma(start);
            self.map_key(key, name)?;
            match (value, field.kind) {
                (Some(value), kind) => self.value(kind, value, depth),
                (None, Kind::Message(id)) => self.message(id, &[], depth + 1),
                (None, kind) => self.default(kind),
            }
        })?;
        self.out.push(b'}');
        Ok(())
    }

    /// Keys are texts in JSON, whatever they are in the contract.
    fn map_key(&mut self, kind: Kind, key: Option<Raw<'a>>) -> Result<(), Broken> {
        let quoted = kind != Kind::String;
        self.out.extend_from_slice(if quoted { b"\"" } else { b"" });
        match key {
            Some(key) => self.scalar(kind, key)?,
            None => self.default(kind)?,
        }
        self.out.extend_from_slice(if quoted { b"\":" } else { b":" });
        Ok(())
    }

    /// A comma, unless this is the first element since `start`.
    fn comma(&mut self, start: usize) {
        if self.out.len() > start {
            self.out.push(b',');
        }
    }

    fn value(&mut self, kind: Kind, value: Raw<'a>, depth: usize) -> Result<(), Broken> {
        match (kind, value) {
            (Kind::Message(id), Raw::Bytes(bytes)) => self.message(id, bytes, depth + 1),
            _ => self.scalar(kind, value),
        }
    }

    fn scalar(&mut self, kind: Kind, value: Raw<'_>) -> Result<(), Broken> {
        match (kind, value) {
            (Kind::Double, Raw::Fixed64(bits)) => self.number(f64::from_bits(bits)),
            (Kind::Float, Raw::Fixed32(bits)) => self.number(f32::from_bits(bits)),
            (Kind::Int32, Raw::Varint(value)) => self.number(value as i32),
            (Kind::Int64, Raw::Varint(value)) => self.number(value as i64),
            (Kind::Uint32, Raw::Varint(value)) => self.number(value as u32),
            (Kind::Uint64, Raw::Varint(value)) => self.number(value),
            (Kind::Sint32, Raw::Varint(value)) => self.number(unzigzag(value) as i32),
            (Kind::Sint64, Raw::Varint(value)) => self.number(unzigzag(value)),
            (Kind::Fixed32, Raw::Fixed32(value)) => self.number(value),
            (Kind::Fixed64, Raw::Fixed64(value)) => self.number(value),
            (Kind::Sfixed32, Raw::Fixed32(value)) => self.number(value as i32),
            (Kind::Sfixed64, Raw::Fixed64(value)) => self.number(value as i64),
            (Kind::Bool, Raw::Varint(value)) => self.number(value != 0),
            (Kind::Enum(id), Raw::Varint(value)) => match self.schema.words(id).quoted(value as i32) {
                Some(word) => self.out.extend_from_slice(word.as_bytes()),
                // A value newer than this gateway's contract.
                None => self.number(value as i32),
            },
            (Kind::NumberOrWord, Raw::Bytes(bytes)) => match std::str::from_utf8(bytes).map_err(|_| Broken)? {
                digits if scalar::is_plain_number(digits) => self.out.extend_from_slice(bytes),
                word => self.number(word),
            },
            (Kind::String, Raw::Bytes(bytes)) => self.number(std::str::from_utf8(bytes).map_err(|_| Broken)?),
            (Kind::Bytes, Raw::Bytes(bytes)) => {
                self.out.push(b'"');
                scalar::write_base64(bytes, &mut self.out);
                self.out.push(b'"');
            }
            (Kind::Timestamp, Raw::Bytes(bytes)) => timestamp::write(bytes, &mut self.out)?,
            _ => return Err(Broken),
        }
        Ok(())
    }

    /// Numbers, truth values and texts as `serde_json` writes them; NaN and the infinities become `null`.
    fn number(&mut self, value: impl serde::Serialize) {
        // Writing such values to a vector cannot fail.
        let _ = serde_json::to_writer(&mut self.out, &value);
    }

    fn default(&mut self, kind: Kind) -> Result<(), Broken> {
        match kind {
            Kind::Double | Kind::Float => self.out.extend_from_slice(b"0.0"),
            Kind::Bool => self.out.extend_from_slice(b"false"),
            Kind::String | Kind::NumberOrWord | Kind::Bytes => self.out.extend_from_slice(b"\"\""),
            Kind::Enum(_) => self.scalar(kind, Raw::Varint(0))?,
            Kind::Timestamp | Kind::Message(_) => self.out.extend_from_slice(b"null"),
            _ => self.out.push(b'0'),
        }
        Ok(())
    }
}

/// Calls `use_value` with each value of a field, from its first record on.
fn each<'a>(
    number: u32,
    slot: Slot<'a>,
    bytes: &'a [u8],
    mut use_value: impl FnMut(Raw<'a>) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let mut records = Records::new(&bytes[bytes.len() - slot.first_left.min(bytes.len())..]);
    let mut seen = 0;
    while seen < slot.count {
        let Some((at, value)) = records.next()? else { break };
        if at == number {
            seen += 1;
            use_value(value)?;
        }
    }
    Ok(())
}
