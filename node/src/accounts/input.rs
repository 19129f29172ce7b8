//! What comes in from outside, read once into strict values. Every wrong field is named, not only the first.

use codepop_proto::{
    accounts::{RegisterRequest, UpdateProfileRequest},
    operator::CreateStaffAccountRequest,
    staff::AcceptInvitationRequest,
};
use codepop_shared::{Code, Failure};
use uuid::Uuid;

use super::{NewAccount, Password, UserName, profile::Changes};

/// Longest first or last name, in characters.
const PERSON_NAME_MAX: usize = 150;

/// Longest e-mail address, in characters (RFC 5321).
const EMAIL_MAX: usize = 254;

/// Collects what is wrong.
#[derive(Default)]
struct Problems(Vec<(&'static str, &'static str)>);

impl Problems {
    fn note<T>(&mut self, field: &'static str, result: Result<T, &'static str>) -> Option<T> {
        result.map_err(|problem| self.0.push((field, problem))).ok()
    }

    /// The failure that names all of it.
    fn failure(self) -> Failure {
        let sentences: Vec<String> = self.0.iter().map(|(field, problem)| format!("{field}: {problem}")).collect();
        let failure = Failure::new(Code::Invalid, sentences.join("; "));
        self.0.into_iter().fold(failure, |failure, (field, problem)| failure.field(field, problem))
    }
}

pub(super) fn person_name(input: &str) -> Result<String, &'static str> {
    let name = input.trim();
    if name.chars().count() > PERSON_NAME_MAX {
        return Err("must have at most 150 characters");
    }
    if name.chars().any(char::is_control) {
        return Err("must not contain control characters");
    }
    Ok(name.to_owned())
}

/// Reads an e-mail address: empty, or something with an @ between two parts. Only a letter could prove more.
///
/// # Errors
/// It is none; says what it must be.
pub fn email(input: &str) -> Result<String, &'static str> {
    let address = input.trim();
    if address.chars().count() > EMAIL_MAX {
        return Err("must have at most 254 characters");
    }
    let parts = address.rsplit_once('@');
    let sound = parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if !address.is_empty() && (!sound || address.chars().any(|char| char.is_whitespace() || char.is_control())) {
        return Err("must be an e-mail address");
    }
    Ok(address.to_owned())
}

fn store(input: &str) -> Result<Option<Uuid>, &'static str> {
    if input.is_empty() {
        return Ok(None);
    }
    Uuid::parse_str(input).map(Some).map_err(|_| "must be the UUID of a store")
}

fn account(
    username: &str,
    password: String,
    names: [&str; 2],
    address: &str,
    preferred_store: &str,
) -> Result<NewAccount, Failure> {
    let mut problems = Problems::default();
    let username = problems.note("username", UserName::parse(username));
    let password = problems.note("password", Password::new(password));
    let first_name = problems.note("first_name", person_name(names[0]));
    let last_name = problems.note("last_name", person_name(names[1]));
    let email = problems.note("email", email(address));
    let preferred_store = problems.note("preferred_store", store(preferred_store));
    match (username, password, first_name, last_name, email, preferred_store) {
        (Some(username), Some(password), Some(first_name), Some(last_name), Some(email), Some(preferred_store)) => {
            Ok(NewAccount { username, password, first_name, last_name, email, preferred_store })
        }
        _ => Err(problems.failure()),
    }
}

impl TryFrom<RegisterRequest> for NewAccount {
    type Error = Failure;

    fn try_from(request: RegisterRequest) -> Result<Self, Failure> {
        account(
            &request.username,
            request.password,
            [request.first_name.as_deref().unwrap_or_default(), request.last_name.as_deref().unwrap_or_default()],
            request.email.as_deref().unwrap_or_default(),
            request.preferred_store.as_deref().unwrap_or_default(),
        )
    }
}

impl TryFrom<CreateStaffAccountRequest> for NewAccount {
    type Error = Failure;

    fn try_from(request: CreateStaffAccountRequest) -> Result<Self, Failure> {
        let names = [request.first_name.as_str(), request.last_name.as_str()];
        account(&request.username, request.password, names, &request.email, "")
    }
}

/// Without an e-mail address: that is the invitation's.
impl TryFrom<AcceptInvitationRequest> for NewAccount {
    type Error = Failure;

    fn try_from(request: AcceptInvitationRequest) -> Result<Self, Failure> {
        let names =
            [request.first_name.as_deref().unwrap_or_default(), request.last_name.as_deref().unwrap_or_default()];
        account(&request.username, request.password, names, "", "")
    }
}

impl TryFrom<UpdateProfileRequest> for Changes {
    type Error = Failure;

    fn try_from(request: UpdateProfileRequest) -> Result<Self, Failure> {
        let mut problems = Problems::default();
        let changes = Self {
            username: request.username.and_then(|input| problems.note("username", UserName::parse(&input))),
            first_name: request.first_name.and_then(|input| problems.note("first_name", person_name(&input))),
            last_name: request.last_name.and_then(|input| problems.note("last_name", person_name(&input))),
            email: request.email.and_then(|input| problems.note("email", email(&input))),
            preferred_store: request.preferred_store.and_then(|input| problems.note("preferred_store", store(&input))),
        };
        if problems.0.is_empty() { Ok(changes) } else { Err(problems.failure()) }
    }
}

/// A new password in a field of that name.
pub(super) fn new_password(field: &'static str, input: String) -> Result<Password, Failure> {
    Password::new(input).map_err(|problem| Failure::invalid(field, problem))
}

/// Name and password of a log-in must be given; what they are is nobody's business yet.
pub(super) fn given(fields: &[(&'static str, &str)]) -> Result<(), Failure> {
    let mut problems = Problems::default();
    for (field, value) in fields {
        problems.note(field, if value.is_empty() { Err("must not be empty") } else { Ok(()) });
    }
    if problems.0.is_empty() { Ok(()) } else { Err(problems.failure()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_named() {
        let request = RegisterRequest {
            username: "a~b".into(),
            password: "password".into(),
            first_name: Some("x".repeat(151)),
            last_name: Some("a\nb".into()),
            email: Some("nowhere".into()),
            preferred_store: Some("17".into()),
        };
        let failure = NewAccount::try_from(request).err().unwrap();
        assert_eq!(failure.code, Code::Invalid);
        let fields: Vec<&str> = failure.fields.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["username", "password", "first_name", "last_name", "email", "preferred_store"]);
    }

    #[test]
    fn addresses() {
        for good in ["", " ada@example.com ", "\"a@b\"@example.com", "用户@例子.广告"] {
            assert!(email(good).is_ok(), "{good}");
        }
        for bad in ["@", "a@", "@b", "a b@c", &format!("{}@b", "a".repeat(253))] {
            assert!(email(bad).is_err(), "{bad}");
        }
    }
}
