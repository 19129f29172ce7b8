//! JSON, path variables and query parameters to protobuf. Wrong fields are collected, all of them, each with its JSON
//! name; a text that is no JSON ends the reading at once.

use std::{borrow::Cow, collections::HashSet};

use super::{
    FieldPath, Kind, MessageId, Schema, Shape, params,
    reader::{Malformed, Reader, Token},
    scalar,
    schema::Field,
    wire,
};

/// Wrong fields named in one answer; more would help nobody.
const PROBLEMS_MAX: usize = 50;

/// What is wrong with a field: its JSON name and a sentence.
pub(crate) type Problem = (String, String);

/// Why a request cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The body is not JSON.
    Malformed(Malformed),
    /// These fields are wrong.
    Invalid(Vec<Problem>),
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// What the HTTP body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// It is not read.
    None,
    /// It is the whole message.
    Whole,
    /// It is the field with this index.
    Field(usize),
    /// Its bytes, as they came, are the field with this index.
    Raw(usize),
}

/// A request as HTTP brings it.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) body_is: Body,
    pub(crate) body: &'a [u8],
    pub(crate) query: Option<&'a str>,
    /// Path variables, decoded, and headers that fill fields. They win over everything else.
    pub(crate) vars: &'a [(&'a FieldPath, Cow<'a, str>)],
}

/// Makes the message of a request.
pub(crate) fn decode(schema: &Schema, id: MessageId, input: &Input<'_>) -> Result<Vec<u8>, Fault> {
    let mut decoder = Decoder {
        schema,
        reader: Reader::new(if input.body_is_json() { input.body } else { b"" })?,
        path: Vec::new(),
        problems: Vec::new(),
        out: Vec::with_capacity(input.body.len() + 64),
    };
    // The variables come last: of a field sent twice, the later value counts.
    if input.body_is != Body::Whole {
        decoder.query(id, input);
    }
    match input.body_is {
        Body::Raw(index) if !input.body.is_empty() => {
            wire::put_bytes(&mut decoder.out, schema.message(id).fields[index].number, input.body);
        }
        _ => decoder.body(id, input)?,
    }
    for (path, value) in input.vars {
        decoder.text(path, Token::Text(value.clone()));
    }
    if decoder.problems.is_empty() { Ok(decoder.out) } else { Err(Fault::Invalid(decoder.problems)) }
}

/// One step on the way to the value being read.
#[derive(Clone, Debug)]
enum Step<'s> {
    Name(&'s str),
    Index(usize),
    Key(String),
}

struct Decoder<'s, 'a> {
    schema: &'s Schema,
    reader: Reader<'a>,
    path: Vec<Step<'s>>,
    problems: Vec<Problem>,
    out: Vec<u8>,
}

impl<'s, 'a> Decoder<'s, 'a> {
    fn body(&mut self, id: MessageId, input: &Input<'_>) -> Result<(), Malformed> {
        if !input.body_is_json() || self.reader.peek().is_none() {
            return Ok(());
        }
        match input.body_is {
            Body::Field(index) => {
                self.field(&self.schema.message(id).fields[index], 0)?;
            }
            _ => {
                // What the path decides is not looked at in the body.
                let fixed: Vec<usize> = input.vars.iter().filter_map(|(path, _)| single(path)).collect();
                self.message(id, &fixed, 0)?;
            }
        }
        self.reader.end()
    }

    fn message(&mut self, id: MessageId, fixed: &[usize], depth: usize) -> Result<(), Malformed> {
        if self.reader.peek() != Some(b'{') {
            self.problem("must be an object");
            return self.reader.skip(depth);
        }
        let depth = self.reader.deeper(depth)?;
        let message = self.schema.message(id);
        self.reader.begin(b'{')?;
        let (mut seen, mut first) = (Keys::default(), true);
        while self.reader.more(&mut first, b'}')? {
            let key = self.reader.key()?;
            let index = message.by_json(&key);
            if !seen.add(index, &key) {
                return Err(self.reader.malformed(format!("the key {key:?} occurs twice")));
            }
            match index.filter(|index| !fixed.contains(index)) {
                Some(index) => {
                    let field = &message.fields[index];
                    if self.field(field, depth)? && !seen.add_oneof(field) {
                        self.problem_at(field, "excludes another field that is given too");
                    }
                }
                None => self.reader.skip(depth)?,
            }
        }
        Ok(())
    }

    /// Reads the value of a field; tells whether it is set.
    fn field(&mut self, field: &'s Field, depth: usize) -> Result<bool, Malformed> {
        if self.reader.peek() == Some(b'n') {
            return self.reader.token().map(|_| false);
        }
        self.path.push(Step::Name(&field.json));
        match field.shape {
            Shape::Plain | Shape::Optional => self.value(field.kind, field.number, depth)?,
            Shape::Repeated { packed } => self.list(field, packed, depth)?,
            Shape::Map(key) => self.map(field, key, depth)?,
        }
        self.path.pop();
        Ok(true)
    }

    fn value(&mut self, kind: Kind, number: u32, depth: usize) -> Result<(), Malformed> {
        if let Kind::Message(id) = kind {
            let start = wire::open(&mut self.out, number);
            self.message(id, &[], depth)?;
            wire::close(&mut self.out, start);
            return Ok(());
        }
        let token = self.scalar_token(depth)?;
        self.scalar(kind, Some(number), &token);
        Ok(())
    }

    /// The next value; what is no scalar is skipped.
    fn scalar_token(&mut self, depth: usize) -> Result<Token<'a>, Malformed> {
        let token = self.reader.token()?;
        if matches!(token, Token::List | Token::Object) {
            self.reader.skip(depth)?;
        }
        Ok(token)
    }

    /// Writes a scalar, with its tag if `number` is given. A wrong one leaves no trace but a problem.
    fn scalar(&mut self, kind: Kind, number: Option<u32>, token: &Token<'_>) {
        let before = self.out.len();
        let written = match (token, number) {
            (Token::Null, _) => Err("must not be null".to_owned()),
            (_, Some(number)) => scalar::put(self.schema, kind, number, token, &mut self.out),
            (_, None) => scalar::put_bare(self.schema, kind, token, &mut self.out),
        };
        if let Err(problem) = written {
            self.out.truncate(before);
            self.problem(problem);
        }
    }

    fn list(&mut self, field: &'s Field, packed: bool, depth: usize) -> Result<(), Malformed> {
        if self.reader.peek() != Some(b'[') {
            self.problem("must be a list");
            return self.reader.skip(depth);
        }
        let depth = self.reader.deeper(depth)?;
        self.reader.begin(b'[')?;
        let run = (packed && field.kind.is_packable()).then(|| wire::open(&mut self.out, field.number));
        let (mut first, mut index) = (true, 0);
        while self.reader.more(&mut first, b']')? {
            self.path.push(Step::Index(index));
            match run {
                Some(_) => {
                    let token = self.scalar_token(depth)?;
                    self.scalar(field.kind, None, &token);
                }
                None => self.value(field.kind, field.number, depth)?,
            }
            self.path.pop();
            index += 1;
        }
        if let Some(start) = run {
            wire::close(&mut self.out, start);
        }
        Ok(())
    }

    fn map(&mut self, field: &'s Field, key_kind: Kind, depth: usize) -> Result<(), Malformed> {
        if self.reader.peek() != Some(b'{') {
            self.problem("must be an object");
            return self.reader.skip(depth);
        }
        let depth = self.reader.deeper(depth)?;
        self.reader.begin(b'{')?;
        let (mut first, mut seen) = (true, HashSet::new());
        while self.reader.more(&mut first, b'}')? {
            let key = self.reader.key()?;
            self.path.push(Step::Key(key.to_string()));
            let start = wire::open(&mut self.out, field.number);
            self.scalar(key_kind, Some(1), &Token::Text(key.clone()));
            self.value(field.kind, 2, depth)?;
            wire::close(&mut self.out, start);
            self.path.pop();
            if !seen.insert(key) {
                return Err(self.reader.malformed("a key occurs twice"));
            }
        }
        Ok(())
    }

    fn query(&mut self, id: MessageId, input: &Input<'_>) {
        let mut seen: Vec<FieldPath> = Vec::new();
        for (key, value) in input.query.into_iter().flat_map(params) {
            let Some(path) = self.schema.json_path(id, &key) else { continue };
            let fixed = input.vars.iter().any(|(var, _)| **var == path) || input.body_is_field(&path);
            let Some(field) = self.schema.target(&path).filter(|_| !fixed) else { continue };
            let repeated = matches!(field.shape, Shape::Repeated { .. });
            if !repeated && seen.contains(&path) {
                self.put_problem(key.into_owned(), "must be given once");
                continue;
            }
            if matches!(field.kind, Kind::Message(_)) || matches!(field.shape, Shape::Map(_)) {
                self.put_problem(key.into_owned(), "cannot be given in the query");
                continue;
            }
            self.text(&path, Token::Text(value));
            seen.push(path);
        }
    }

    /// Writes the text of a path variable or query parameter, inside the messages on the way.
    fn text(&mut self, path: &FieldPath, token: Token<'_>) {
        let schema = self.schema;
        let mut opened = Vec::new();
        for (message, index) in &path.0 {
            let field = &schema.message(*message).fields[*index];
            self.path.push(Step::Name(&field.json));
            if opened.len() + 1 < path.0.len() {
                opened.push(wire::open(&mut self.out, field.number));
            } else {
                self.scalar(field.kind, Some(field.number), &token);
            }
        }
        for start in opened.into_iter().rev() {
            wire::close(&mut self.out, start);
        }
        self.path.clear();
    }

    fn problem_at(&mut self, field: &'s Field, problem: &str) {
        self.path.push(Step::Name(&field.json));
        self.problem(problem);
        self.path.pop();
    }

    /// Notes a problem with the value being read.
    fn problem(&mut self, problem: impl Into<String>) {
        let mut name = String::new();
        for step in &self.path {
            match step {
                Step::Name(field) if name.is_empty() => name.push_str(field),
                Step::Name(field) => name.extend([".", field]),
                Step::Index(index) => name.push_str(&format!("[{index}]")),
                Step::Key(key) => name.push_str(&format!("[{key:?}]")),
            }
        }
        if name.is_empty() {
            name.push_str("body");
        }
        self.put_problem(name, problem);
    }

    fn put_problem(&mut self, name: String, problem: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push((name, problem.into()));
        }
    }
}

impl Input<'_> {
    fn body_is_json(&self) -> bool {
        matches!(self.body_is, Body::Whole | Body::Field(_))
    }

    fn body_is_field(&self, path: &FieldPath) -> bool {
        let first = path.0.first().map(|(_, index)| *index);
        matches!(self.body_is, Body::Field(body) | Body::Raw(body) if first == Some(body))
    }
}

/// The field's index, when the path is a single step.
fn single(path: &FieldPath) -> Option<usize> {
    match path.0.as_slice() {
        [(_, index)] => Some(*index),
        _ => None,
    }
}

/// The keys of one object that were there already.
#[derive(Default)]
struct Keys {
    known: Vec<usize>,
    unknown: HashSet<String>,
    oneofs: Vec<usize>,
}

impl Keys {
    /// Whether the key is new.
    fn add(&mut self, index: Option<usize>, key: &str) -> bool {
        match index {
            Some(index) if self.known.contains(&index) => false,
            Some(index) => {
                self.known.push(index);
                true
            }
            None => self.unknown.insert(key.to_owned()),
        }
    }

    /// Whether no other member of its `oneof` was set before.
    fn add_oneof(&mut self, field: &Field) -> bool {
        let Some(oneof) = field.oneof else { return true };
        let new = !self.oneofs.contains(&oneof);
        self.oneofs.push(oneof);
        new
    }
}
