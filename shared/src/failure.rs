//! An error on its way to the caller: code, a sentence for people, and the fields it concerns. It travels as a gRPC
//! status with the standard `google.rpc` details, so that foreign clients understand it too.

use std::{collections::HashMap, fmt, time::Duration};

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::Code;

/// The domain in the standard error details.
const DOMAIN: &str = "codepop";

/// An error on its way to the caller. Never holds anything internal: what it says is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong, for programs.
    pub code: Code,
    /// What went wrong and what to do, for people.
    pub detail: String,
    /// The fields concerned, in the contract's spelling, each with what is wrong with it.
    pub fields: Vec<(String, String)>,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
    /// More for programs, for example `alternatives`.
    pub metadata: HashMap<String, String>,
}

impl Failure {
    /// An error with a code and a sentence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), fields: Vec::new(), retry_after: None, metadata: HashMap::new() }
    }

    /// One field that is missing or has a value that is not allowed.
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        let (field, problem) = (field.into(), problem.into());
        Self::new(Code::Invalid, format!("{field}: {problem}")).field(field, problem)
    }

    /// Names one more field.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, problem: impl Into<String>) -> Self {
        self.fields.push((field.into(), problem.into()));
        self
    }

    /// Says when it is worth trying again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Adds something for programs.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code.word())
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let mut details = ErrorDetails::new();
        details.set_error_info(failure.code.word(), DOMAIN, failure.metadata);
        for (field, problem) in failure.fields {
            details.add_bad_request_violation(field, problem);
        }
        if let Some(after) = failure.retry_after {
            details.set_retry_info(Some(after));
        }
        Self::with_error_details(failure.code.grpc(), failure.detail, details)
    }
}

impl From<&Status> for Failure {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN);
        let code = info.and_then(|info| Code::parse(&info.reason)).unwrap_or_else(|| Code::from_grpc(status.code()));
        Self {
            code,
            detail: status.message().to_owned(),
            fields: details
                .bad_request()
                .map(|bad| bad.field_violations.iter().map(|v| (v.field.clone(), v.description.clone())).collect())
                .unwrap_or_default(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
            metadata: info.map(|info| info.metadata.clone()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_wire() {
        let failure = Failure::invalid("lat", "must be given")
            .field("lon", "must be given")
            .retry_after(Duration::from_secs(3))
            .with("alternatives", "a,b");
        assert_eq!(Failure::from(&Status::from(failure.clone())), failure);
    }

    #[test]
    fn a_foreign_status_gets_the_nearest_code() {
        assert_eq!(Failure::from(&Status::unavailable("gone fishing")).code, Code::Unavailable);
    }
}
