//! Path templates of `google.api.http`: literals, `{field}`, `{field=*}`, and `{field=**}` at the end.

use super::Error;

/// One segment of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String),
    /// One segment, taken as the field with this dotted name.
    Variable(String),
    /// All that is left, taken as the field with this dotted name.
    Rest(String),
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) segments: Vec<Segment>,
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let problem = |what: &str| Error::Contract(format!("path template {text:?}: {what}"));
        let path = text.strip_prefix('/').ok_or_else(|| problem("must begin with '/'"))?;
        let mut segments = Vec::new();
        for part in path.trim_end_matches('/').split('/') {
            if matches!(segments.last(), Some(Segment::Rest(_))) {
                return Err(problem("nothing may follow '**'"));
            }
            segments.push(segment(part).map_err(problem)?);
        }
        Ok(Self { segments })
    }

    /// The names of the variables in order.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Variable(name) | Segment::Rest(name) => Some(name.as_str()),
        })
    }

    /// The path with each variable's name replaced, as OpenAPI and metrics show it.
    pub(crate) fn shown(&self, mut spell: impl FnMut(&str) -> String) -> String {
        let mut shown = String::new();
        for segment in &self.segments {
            shown.push('/');
            match segment {
                Segment::Literal(literal) => shown.push_str(literal),
                Segment::Variable(name) | Segment::Rest(name) => shown.extend(["{", &spell(name), "}"]),
            }
        }
        shown
    }
}

fn segment(part: &str) -> Result<Segment, &'static str> {
    if let Some(inner) = part.strip_prefix('{') {
        let inner = inner.strip_suffix('}').ok_or("a variable must be one whole segment")?;
        let (name, pattern) = inner.split_once('=').unwrap_or((inner, "*"));
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')) {
            return Err("a variable must name a field");
        }
        return match pattern {
            "*" => Ok(Segment::Variable(name.to_owned())),
            "**" => Ok(Segment::Rest(name.to_owned())),
            _ => Err("only '*' and '**' are supported as patterns"),
        };
    }
    if part.is_empty() {
        return Err("a segment is empty");
    }
    if part.contains(['{', '}', '*', ':', '%', '?', '#']) {
        return Err("a literal segment holds a character that is not supported");
    }
    Ok(Segment::Literal(part.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found() {
        let template = Template::parse("/shelves/{shelf=*}/books/{book.id}/").unwrap();
        assert_eq!(template.variables().collect::<Vec<_>>(), ["shelf", "book.id"]);
        assert_eq!(template.shown(str::to_uppercase), "/shelves/{SHELF}/books/{BOOK.ID}");
        assert!(Template::parse("/files/{path=**}").is_ok());
    }

    #[test]
    fn what_is_not_supported_is_refused_at_start() {
        for text in ["x", "/a//b", "/a/{b", "/a/x{b}", "/a/{}", "/a/{b=c/*}", "/a/{b=**}/c", "/a:verb", "/*", "/"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
