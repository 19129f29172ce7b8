//! The one table of error codes: what a program reads, next to its gRPC and its HTTP status.

use tonic::Code as Grpc;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $grpc:ident, $http:literal;)+) => {
        /// What went wrong, in a word that programs can rely on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)+
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word in the field `code` of an error body.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The gRPC status that carries it.
            pub const fn grpc(self) -> Grpc {
                match self { $(Self::$name => Grpc::$grpc,)+ }
            }

            /// The HTTP status that carries it.
            pub const fn http(self) -> u16 {
                match self { $(Self::$name => $http,)+ }
            }
        }
    };
}

codes! {
    /// A field is missing or has a value that is not allowed; the fields are named.
    Invalid = "invalid", InvalidArgument, 400;
    /// The body is not what the content type says.
    Malformed = "malformed", InvalidArgument, 400;
    /// No credentials were sent, or they are not (or no longer) good.
    NotAuthenticated = "not_authenticated", Unauthenticated, 401;
    /// User name or password is wrong.
    LoginFailed = "login_failed", Unauthenticated, 401;
    /// The caller may not do this.
    Forbidden = "permission_denied", PermissionDenied, 403;
    /// Regional and chain permissions need a hub heard from lately, within an hour at most.
    HubNeeded = "hub_needed", PermissionDenied, 403;
    /// The thing does not exist, or the caller may not know that it does.
    NotFound = "not_found", NotFound, 404;
    /// The path is known, but not with this HTTP method.
    MethodNotAllowed = "method_not_allowed", Unimplemented, 405;
    /// The user name belongs to somebody.
    NameTaken = "name_taken", AlreadyExists, 409;
    /// The thing is not in a state that allows this.
    Conflict = "conflict", FailedPrecondition, 409;
    /// The store lacks ingredients; they are named.
    InsufficientItems = "insufficient_items", FailedPrecondition, 409;
    /// The order is not paid, or not with the right amount.
    PaymentRequired = "payment_required", FailedPrecondition, 402;
    /// The idempotency key was sent before with another request.
    KeyReused = "idempotency_key_reused", FailedPrecondition, 422;
    /// The store takes no orders now; the sentence says why.
    StoreClosed = "store_closed", FailedPrecondition, 409;
    /// The payment provider does not answer; nothing was taken.
    ProviderUnavailable = "provider_unavailable", Unavailable, 503;
    /// This interface is gone.
    Gone = "gone", Unimplemented, 410;
    /// The message is larger than allowed.
    TooLarge = "too_large", ResourceExhausted, 413;
    /// The content type is not JSON.
    UnsupportedMediaType = "unsupported_media_type", InvalidArgument, 415;
    /// Only a hub can answer this; gateways follow on their own.
    AskHub = "ask_hub", FailedPrecondition, 421;
    /// Only a store can answer this; gateways follow on their own.
    AskStore = "ask_store", FailedPrecondition, 421;
    /// Too many attempts; try again after the time given.
    TooManyAttempts = "too_many_attempts", ResourceExhausted, 429;
    /// The answer would have come too late.
    DeadlineExceeded = "deadline_exceeded", DeadlineExceeded, 504;
    /// The node that could answer is away; alternatives are named where there are any.
    Unavailable = "unavailable", Unavailable, 503;
    /// The node has more to do than it can; try again.
    Overloaded = "overloaded", Unavailable, 503;
    /// The node's database does not answer; nothing was written.
    StorageUnavailable = "storage_unavailable", Unavailable, 503;
    /// The node's database is older than what peers hold of it; it takes no writes.
    StaleDatabase = "stale_database", FailedPrecondition, 503;
    /// A fault of the program; the log of the node has the details under the request id.
    Internal = "internal", Internal, 500;
}

impl Code {
    /// The code of a word, when there is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.word() == word)
    }

    /// The nearest code for a gRPC status that carries no word of ours.
    pub fn from_grpc(grpc: Grpc) -> Self {
        match grpc {
            Grpc::InvalidArgument | Grpc::OutOfRange => Self::Invalid,
            Grpc::Unauthenticated => Self::NotAuthenticated,
            Grpc::PermissionDenied => Self::Forbidden,
            Grpc::NotFound => Self::NotFound,
            Grpc::AlreadyExists | Grpc::Aborted | Grpc::FailedPrecondition => Self::Conflict,
            Grpc::ResourceExhausted => Self::Overloaded,
            Grpc::DeadlineExceeded | Grpc::Cancelled => Self::DeadlineExceeded,
            Grpc::Unavailable => Self::Unavailable,
            Grpc::Ok | Grpc::Unknown | Grpc::Unimplemented | Grpc::Internal | Grpc::DataLoss => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_its_own() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.word()), Some(*code));
        }
    }
}
