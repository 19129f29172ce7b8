//! Parsing at the edge: requests are read once into types that cannot hold nonsense, and whoever sent nonsense learns of
//! all wrong fields at once.

use chrono::{DateTime, Datelike as _, Utc};
use codepop_shared::{Code, Failure};
use prost_types::Timestamp;
use uuid::Uuid;

use crate::journal;

/// Wrong fields, collected.
#[derive(Debug, Default)]
pub struct Problems(Vec<(String, String)>);

impl Problems {
    /// Notes what is wrong with a field, named in the contract's JSON spelling.
    pub fn add(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        self.0.push((field.into(), problem.into()));
    }

    /// The parsed value, or `None` after noting what is wrong with the field.
    pub fn check<T>(&mut self, field: &str, parsed: Result<T, impl Into<String>>) -> Option<T> {
        parsed.map_err(|problem| self.add(field, problem)).ok()
    }

    /// Ends the collection.
    ///
    /// # Errors
    /// Some field was wrong; all of them are named.
    pub fn finish(self) -> Result<(), Failure> {
        if self.0.is_empty() {
            return Ok(());
        }
        let sentences: Vec<String> = self.0.iter().map(|(field, problem)| format!("{field}: {problem}")).collect();
        let failure = Failure::new(Code::Invalid, sentences.join("; "));
        Err(self.0.into_iter().fold(failure, |failure, (field, problem)| failure.field(field, problem)))
    }
}

/// Reads a UUID.
///
/// # Errors
/// It is none; the field is named.
pub fn uuid(field: &str, text: &str) -> Result<Uuid, Failure> {
    Uuid::try_parse(text).map_err(|_| Failure::invalid(field, "must be a UUID"))
}

/// Whether a text can be kept and shown: databases and screens choke on control characters.
pub fn is_printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// A point of time as the contract has it.
pub fn timestamp(moment: DateTime<Utc>) -> Timestamp {
    Timestamp { seconds: moment.timestamp(), nanos: moment.timestamp_subsec_nanos().cast_signed() }
}

/// A point of time to the microsecond, the precision that both databases keep; `None` when it is out of range.
pub fn moment(timestamp: &Timestamp) -> Option<DateTime<Utc>> {
    let nanos = u32::try_from(timestamp.nanos).ok()?;
    let exact = DateTime::from_timestamp(timestamp.seconds, nanos)?;
    DateTime::from_timestamp_micros(exact.timestamp_micros()).filter(is_storable)
}

/// Whether both databases can hold a point of time: they agree on the years 1 to 9999 and differ beyond.
pub fn is_storable(moment: &DateTime<Utc>) -> bool {
    (1..=9_999).contains(&moment.year())
}

/// What the caller is told of a fault of the journal. A fault that only the program can cause is logged here.
pub fn journal_failure(error: &journal::Error) -> Failure {
    match error {
        journal::Error::Storage(error) => storage_failure(error),
        // Deleted while the call was on its way.
        journal::Error::Erased => Failure::new(Code::NotAuthenticated, "Invalid token."),
        journal::Error::Forbidden { .. } | journal::Error::Unfit(_) => {
            tracing::error!(error = %error, "an event of this node's own was refused");
            Failure::new(Code::Internal, "Something went wrong at the node; its log has the details.")
        }
    }
}

/// What the caller is told of a fault of the database; the log gets the rest.
pub fn storage_failure(error: &crate::storage::Error) -> Failure {
    tracing::error!(error = %error, "a request failed at the database");
    Failure::from(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_wrong_fields_are_named() {
        let mut problems = Problems::default();
        assert_eq!(problems.check("lat", Ok::<_, String>(1)), Some(1));
        assert_eq!(problems.check("lon", Err::<i32, _>("must be given")), None);
        problems.add("radius", "must be above 0");
        let failure = problems.finish().unwrap_err();
        assert_eq!(failure.code, Code::Invalid);
        assert_eq!(failure.fields.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(), ["lon", "radius"]);
        assert!(Problems::default().finish().is_ok());
    }

    #[test]
    fn time_survives_to_the_microsecond() {
        let now = DateTime::from_timestamp_micros(1_753_000_000_123_456).unwrap();
        assert_eq!(moment(&timestamp(now)), Some(now));
        assert_eq!(moment(&Timestamp { seconds: i64::MAX, nanos: 0 }), None);
        assert_eq!(moment(&Timestamp { seconds: 0, nanos: -1 }), None);
        // 5000 BC: a time for SQLite, none for PostgreSQL.
        assert_eq!(moment(&Timestamp { seconds: -219_000_000_000, nanos: 0 }), None);
    }
}
