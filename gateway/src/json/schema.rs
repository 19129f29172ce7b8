//! The contract's messages, prepared for the codec: per field its JSON name, its key as it is written, and how to find
//! it by name and by number without searching descriptors at run time.

use std::collections::HashMap;

use prost_reflect::{Cardinality, FieldDescriptor, Kind as ProtoKind, MessageDescriptor};

use super::enums::Words;
use crate::contract::{Error, docs::Docs};

/// Field numbers below this are found by index; the others by binary search.
const DENSE_NUMBERS: u32 = 256;

/// The option of a text field that may hold a number.
const NUMBER_OR_WORD: &str = "codepop.options.v1.number_or_word";

/// The option with a field's name in REST.
const REST_NAME: &str = "codepop.options.v1.rest_name";

/// No field.
const NONE: u16 = u16::MAX;

/// A message of a [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MessageId(usize);

/// An enum of a [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EnumId(usize);

/// What one value of a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    /// A text that is written as a number when it holds a whole one.
    NumberOrWord,
    Bytes,
    Enum(EnumId),
    /// `google.protobuf.Timestamp`, written as text.
    Timestamp,
    Message(MessageId),
}

/// How many values a field has and what it is without any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One; the type's default when unset.
    Plain,
    /// One; `null` when unset.
    Optional,
    /// A list; may be written packed.
    Repeated { packed: bool },
    /// A map with keys of this kind.
    Map(Kind),
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    /// The contract's spelling.
    pub(crate) name: Box<str>,
    /// The JSON spelling.
    pub(crate) json: Box<str>,
    /// `"json":`, ready to be written.
    pub(crate) key: Box<[u8]>,
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    /// Index of the `oneof` it belongs to.
    pub(crate) oneof: Option<usize>,
    pub(crate) doc: Box<str>,
}

/// One message type.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) full_name: Box<str>,
    pub(crate) fields: Vec<Field>,
    pub(crate) doc: Box<str>,
    by_json: HashMap<Box<str>, u16>,
    dense: Box<[u16]>,
    sparse: Vec<(u32, u16)>,
}

/// A field inside a message, through the messages on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldPath(pub(crate) Vec<(MessageId, usize)>);

/// All messages that the exposed RPCs use.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    messages: Vec<Message>,
    enums: Vec<Words>,
    message_ids: HashMap<String, MessageId>,
    enum_ids: HashMap<String, EnumId>,
}

// === impl Kind ===

impl Kind {
    /// Whether lists of it may be packed.
    pub(crate) fn is_packable(self) -> bool {
        !matches!(self, Self::String | Self::NumberOrWord | Self::Bytes | Self::Timestamp | Self::Message(_))
    }
}

// === impl Message ===

impl Message {
    /// The index of the field with this JSON name.
    pub(crate) fn by_json(&self, name: &str) -> Option<usize> {
        self.by_json.get(name).map(|index| usize::from(*index))
    }

    /// The index of the field with this name in the contract's spelling.
    pub(crate) fn by_name(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| &*field.name == name)
    }

    /// The index of the field with this number.
    pub(crate) fn by_number(&self, number: u32) -> Option<usize> {
        if number < DENSE_NUMBERS {
            let index = *self.dense.get(number as usize)?;
            return (index != NONE).then_some(usize::from(index));
        }
        let at = self.sparse.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(usize::from(self.sparse[at].1))
    }

    fn index(&mut self) {
        let highest = self.fields.iter().map(|field| field.number).filter(|number| *number < DENSE_NUMBERS).max();
        self.dense = vec![NONE; highest.map_or(0, |number| number as usize + 1)].into();
        for (index, field) in self.fields.iter().enumerate() {
            let index = u16::try_from(index).unwrap_or(NONE);
            match self.dense.get_mut(field.number as usize) {
                Some(slot) => *slot = index,
                None => self.sparse.push((field.number, index)),
            }
            self.by_json.insert(field.json.clone(), index);
        }
        self.sparse.sort_unstable();
    }
}

// === impl Schema ===

impl Schema {
    pub(crate) fn message(&self, id: MessageId) -> &Message {
        &self.messages[id.0]
    }

    pub(crate) fn words(&self, id: EnumId) -> &Words {
        &self.enums[id.0]
    }

    /// Every message with its id.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (MessageId, &Message)> {
        self.messages.iter().enumerate().map(|(index, message)| (MessageId(index), message))
    }

    /// Adds a message and all that it refers to.
    pub(crate) fn add(&mut self, descriptor: &MessageDescriptor, docs: &Docs) -> Result<MessageId, Error> {
        if let Some(id) = self.message_ids.get(descriptor.full_name()) {
            return Ok(*id);
        }
        let id = MessageId(self.messages.len());
        // The id is known before the fields are: messages may contain themselves.
        self.message_ids.insert(descriptor.full_name().to_owned(), id);
        self.messages.push(Message::default());
        let mut message = Message {
            full_name: descriptor.full_name().into(),
            doc: docs.of(&descriptor.parent_file(), descriptor.path()).into(),
            ..Message::default()
        };
        let mut descriptors: Vec<FieldDescriptor> = descriptor.fields().collect();
        // Declaration order, which is the order people expect in JSON.
        descriptors.sort_by_key(|field| field.path().last().copied());
        for field in &descriptors {
            message.fields.push(self.field(field, docs)?);
        }
        message.index();
        self.messages[id.0] = message;
        Ok(id)
    }

    fn field(&mut self, field: &FieldDescriptor, docs: &Docs) -> Result<Field, Error> {
        if field.is_group() {
            return Err(Error::Contract(format!("{}: groups are not supported", field.full_name())));
        }
        let (kind, shape) = match field.kind() {
            ProtoKind::Message(entry) if field.is_map() => {
                let key = self.kind(&entry.map_entry_key_field(), docs)?;
                (self.kind(&entry.map_entry_value_field(), docs)?, Shape::Map(key))
            }
            _ => (self.kind(field, docs)?, shape(field)),
        };
        if kind != Kind::NumberOrWord && is_number_or_word(field) {
            return Err(Error::Contract(format!("{}: number_or_word is for text fields", field.full_name())));
        }
        let json = json_name(field);
        Ok(Field {
            number: field.number(),
            name: field.name().into(),
            key: format!("{}:", serde_json::Value::from(json.clone())).into_bytes().into(),
            json: json.into(),
            kind,
            shape,
            oneof: field
                .containing_oneof()
                .filter(|oneof| !oneof.is_synthetic())
                .and_then(|oneof| oneof.path().last().and_then(|index| usize::try_from(*index).ok())),
            doc: docs.of(&field.parent_file(), field.path()).into(),
        })
    }

    fn kind(&mut self, field: &FieldDescriptor, docs: &Docs) -> Result<Kind, Error> {
        Ok(match field.kind() {
            ProtoKind::Double => Kind::Double,
            ProtoKind::Float => Kind::Float,
            ProtoKind::Int32 => Kind::Int32,
            ProtoKind::Int64 => Kind::Int64,
            ProtoKind::Uint32 => Kind::Uint32,
            ProtoKind::Uint64 => Kind::Uint64,
            ProtoKind::Sint32 => Kind::Sint32,
            ProtoKind::Sint64 => Kind::Sint64,
            ProtoKind::Fixed32 => Kind::Fixed32,
            ProtoKind::Fixed64 => Kind::Fixed64,
            ProtoKind::Sfixed32 => Kind::Sfixed32,
            ProtoKind::Sfixed64 => Kind::Sfixed64,
            ProtoKind::Bool => Kind::Bool,
            ProtoKind::String if is_number_or_word(field) => Kind::NumberOrWord,
            ProtoKind::String => Kind::String,
            ProtoKind::Bytes => Kind::Bytes,
            ProtoKind::Enum(words) => Kind::Enum(self.add_enum(&words)),
            ProtoKind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => Kind::Timestamp,
            ProtoKind::Message(message) => Kind::Message(self.add(&message, docs)?),
        })
    }

    fn add_enum(&mut self, descriptor: &prost_reflect::EnumDescriptor) -> EnumId {
        if let Some(id) = self.enum_ids.get(descriptor.full_name()) {
            return *id;
        }
        let id = EnumId(self.enums.len());
        self.enums.push(Words::new(descriptor));
        self.enum_ids.insert(descriptor.full_name().to_owned(), id);
        id
    }

    /// Resolves a dotted path in the contract's spelling.
    pub(crate) fn path(&self, message: MessageId, dotted: &str) -> Option<FieldPath> {
        self.walk(message, dotted, Message::by_name)
    }

    /// Resolves a dotted path in the JSON spelling.
    pub(crate) fn json_path(&self, message: MessageId, dotted: &str) -> Option<FieldPath> {
        self.walk(message, dotted, Message::by_json)
    }

    fn walk(&self, start: MessageId, dotted: &str, find: fn(&Message, &str) -> Option<usize>) -> Option<FieldPath> {
        let mut steps = Vec::new();
        let mut message = Some(start);
        for name in dotted.split('.') {
            let id = message?;
            let index = find(self.message(id), name)?;
            steps.push((id, index));
            let field = &self.message(id).fields[index];
            message = match (field.kind, field.shape) {
                (Kind::Message(next), Shape::Plain | Shape::Optional) => Some(next),
                _ => None,
            };
        }
        Some(FieldPath(steps))
    }

    /// The last field of a path.
    pub(crate) fn target<'s>(&'s self, path: &FieldPath) -> Option<&'s Field> {
        path.0.last().map(|(message, index)| &self.message(*message).fields[*index])
    }

    /// A path in the JSON spelling.
    pub(crate) fn spell(&self, path: &FieldPath) -> String {
        let names: Vec<&str> =
            path.0.iter().map(|(message, index)| &*self.message(*message).fields[*index].json).collect();
        names.join(".")
    }
}

fn is_number_or_word(field: &FieldDescriptor) -> bool {
    let extension = field.parent_pool().get_extension_by_name(NUMBER_OR_WORD);
    extension.is_some_and(|extension| field.options().get_extension(&extension).as_bool() == Some(true))
}

fn shape(field: &FieldDescriptor) -> Shape {
    if field.cardinality() == Cardinality::Repeated {
        Shape::Repeated { packed: field.is_packed() }
    } else if field.supports_presence() {
        Shape::Optional
    } else {
        Shape::Plain
    }
}

fn rest_name(field: &FieldDescriptor) -> Option<String> {
    let extension = field.parent_pool().get_extension_by_name(REST_NAME)?;
    let options = field.options();
    if !options.has_extension(&extension) {
        return None;
    }
    options.get_extension(&extension).as_str().map(str::to_owned)
}

/// The name that the contract gives for REST, or a `json_name` other than the automatic one, or the field's own name.
fn json_name(field: &FieldDescriptor) -> String {
    if let Some(name) = rest_name(field) {
        return name;
    }
    let given = field.json_name();
    if given == lower_camel(field.name()) { field.name().to_owned() } else { given.to_owned() }
}

/// The automatic `json_name`, as the protobuf compiler makes it.
fn lower_camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else {
            camel.push(if upper { c.to_ascii_uppercase() } else { c });
            upper = false;
        }
    }
    camel
}
