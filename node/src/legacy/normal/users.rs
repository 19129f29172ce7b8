//! Accounts.

use chrono::{DateTime, Utc};
use codepop_proto::roles::Role;

use super::cleaned;
use crate::{
    accounts::{Brought, NAME_MAX, UserName, knows_algorithm},
    legacy::rows::User,
};

/// Longest first or last name, in characters.
const PERSON_NAME_MAX: usize = 150;

/// Longest e-mail address, in characters.
const EMAIL_MAX: usize = 254;

/// What unusable passwords begin with: Django's mark.
const UNUSABLE: char = '!';

/// An account under its number here, and what was changed.
pub(in crate::legacy) fn account(row: &User, user: i64, now: DateTime<Utc>) -> (Brought, Vec<String>) {
    let mut changes = Vec::new();
    if user != row.id {
        changes.push("got a new number".to_owned());
    }
    let brought = Brought {
        user,
        username: user_name(&row.username, user, &mut changes),
        first_name: cleaned(&row.first_name, PERSON_NAME_MAX, "the first name", &mut changes),
        last_name: cleaned(&row.last_name, PERSON_NAME_MAX, "the last name", &mut changes),
        email: cleaned(&row.email, EMAIL_MAX, "the e-mail address", &mut changes),
        password_hash: password(&row.password, &mut changes),
        disabled: !row.active,
        role: role(row),
        created_at: row.joined.unwrap_or_else(|| {
            changes.push("the time of joining made no sense; it is that of the import".to_owned());
            now
        }),
    };
    (brought, changes)
}

fn role(row: &User) -> Option<Role> {
    match (row.superuser, row.staff) {
        (true, _) => Some(Role::Admin),
        (false, true) => Some(Role::Manager),
        (false, false) => None,
    }
}

/// A hash that log-ins can check; none when nobody can log in with it.
fn password(hash: &str, changes: &mut Vec<String>) -> Option<String> {
    if hash.is_empty() || hash.starts_with(UNUSABLE) {
        // It was so before: nothing is changed.
        return None;
    }
    if knows_algorithm(hash) {
        return Some(hash.to_owned());
    }
    let algorithm: String =
        hash.chars().take_while(|char| char.is_ascii_alphanumeric() || *char == '_').take(24).collect();
    changes.push(format!("the password's hash ({algorithm}) cannot be checked here; the account needs a new password"));
    None
}

/// The name as this system writes it. Names that only differ in what cannot be seen end as claims to one name.
fn user_name(raw: &str, user: i64, changes: &mut Vec<String>) -> UserName {
    if let Ok(name) = UserName::parse(raw) {
        if name.as_str() != raw {
            changes.push(
                "the user name was written in another form of the same letters, or had spaces around it".to_owned(),
            );
        }
        return name;
    }
    changes.push("the user name had characters that are not allowed, or was too long or empty".to_owned());
    let allowed = |char: char| match char {
        '~' | '\u{ff5e}' | '\u{2dc}' => Some('-'),
        char => UserName::parse(&format!("x{char}x")).is_ok().then_some(char),
    };
    let allowed: Vec<char> = raw.chars().filter_map(allowed).take(NAME_MAX).collect();
    // Compatibility forms can be longer than what they stand for.
    (1..=allowed.len())
        .rev()
        .find_map(|length| UserName::parse(&allowed[..length].iter().collect::<String>()).ok())
        .unwrap_or_else(|| UserName::numbered(user))
}

#[cfg(test)]
pub(in crate::legacy) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::legacy) fn row(id: i64, username: &str) -> User {
        User {
            id,
            password: "!".to_owned(),
            superuser: false,
            username: username.to_owned(),
            first_name: String::new(),
            last_name: String::new(),
            email: String::new(),
            staff: false,
            active: true,
            joined: Some(DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000)),
        }
    }

    fn named(username: &str) -> (String, usize) {
        let (account, changes) = account(&row(7, username), 7, Utc::now());
        (account.username.as_str().to_owned(), changes.len())
    }

    #[test]
    fn names_are_kept_where_they_can_be() {
        assert_eq!(named("cust1_0@example.com"), ("cust1_0@example.com".into(), 0));
        assert_eq!(named("  Ada "), ("Ada".into(), 1));
        assert_eq!(named("a~b"), ("a-b".into(), 1));
        assert_eq!(named("a\u{7}\u{202e}b"), ("ab".into(), 1));
        assert_eq!(named(" \u{200b} "), ("user-7".into(), 1));
        assert_eq!(named(&"ﷺ".repeat(150)).1, 1);
    }

    #[test]
    fn passwords_stay_good_or_it_is_said() {
        let hash = |password: &str| {
            let mut changes = Vec::new();
            (super::password(password, &mut changes), changes)
        };
        let django = "pbkdf2_sha256$870000$VtJg8FPdV3cmj54iIJd96j$lvtR4TNNcSTtNkH1cZfFmzudNuaBxGkXv3pnKS6XjuE=";
        assert_eq!(hash(django), (Some(django.to_owned()), vec![]));
        for unusable in ["", "!", "!abcdef"] {
            assert_eq!(hash(unusable), (None, vec![]), "{unusable}");
        }
        for other in [
            "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA",
            "bcrypt_sha256$$2b$12$abc",
            "pbkdf2_sha256$870000$salt$short",
            "pbkdf2_sha256$99000000$salt$lvtR4TNNcSTtNkH1cZfFmzudNuaBxGkXv3pnKS6XjuE=",
        ] {
            let (kept, changes) = hash(other);
            assert!(kept.is_none() && changes.len() == 1, "{other}");
        }
    }

    #[test]
    fn flags_become_roles_of_the_store() {
        let role_of = |superuser, staff| role(&User { superuser, staff, ..row(1, "a") });
        assert_eq!(role_of(true, true), Some(Role::Admin));
        assert_eq!(role_of(true, false), Some(Role::Admin));
        assert_eq!(role_of(false, true), Some(Role::Manager));
        assert_eq!(role_of(false, false), None);
    }

    proptest! {
        #[test]
        fn every_account_gets_a_name(raw in any::<String>()) {
            let (account, _) = account(&row(7, &raw), 7, Utc::now());
            prop_assert!(UserName::parse(account.username.as_str()).is_ok());
        }
    }
}
