//! Who has an account, and where: staff by their posts, ten known customers, and others. All names are made up.

use codepop_proto::roles::Role;
use codepop_shared::number;

use super::{
    Random,
    network::{HOME, Site},
};

/// Stores of the home region that have a manager and an admin.
const STAFFED_STORES: usize = 5;

/// The known customers `user1`, `user2`, ….
const KNOWN: usize = 10;

/// Customers of each store beside them.
const CUSTOMERS: usize = 8;

const FIRST: &[&str] = &[
    "Ada", "Bryn", "Cora", "Dale", "Edith", "Felix", "Greta", "Hugo", "Iris", "Jonas", "Kira", "Lars", "Mina", "Nils",
    "Olive", "Pia", "Quinn", "Rosa", "Soren", "Tilda", "Ulla", "Vera", "Wes", "Yara",
];

const LAST: &[&str] = &[
    "Ashby", "Birch", "Crane", "Dunn", "Elder", "Fields", "Grove", "Hale", "Ives", "Joss", "Knoll", "Lund", "Marsh",
    "North", "Oakes", "Pratt", "Reed", "Shore", "Thorne", "Vale", "Wells", "Yates",
];

/// What somebody is, beside a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Post {
    /// For the account itself.
    Own(Role),
    /// At the store where the account was born.
    Store(Role),
    /// In the region of the hub where the account was born.
    Region(Role),
    /// In the whole chain; only the operator can give it.
    Chain(Role),
}

impl Post {
    /// The role.
    pub const fn role(self) -> Role {
        match self {
            Self::Own(role) | Self::Store(role) | Self::Region(role) | Self::Chain(role) => role,
        }
    }
}

/// Somebody with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Number of the user.
    pub user: i64,
    /// User name.
    pub username: String,
    /// First name.
    pub first_name: &'static str,
    /// Last name.
    pub last_name: &'static str,
    /// What they are, beside customers.
    pub post: Option<Post>,
}

impl Person {
    /// Their address, in a domain that nobody has (RFC 2606).
    pub fn email(&self) -> String {
        format!("{}@example.org", self.username)
    }
}

/// The people whose accounts were born at a site, in the order of their numbers.
pub(super) fn of(seed: u64, site: &Site, sites: &[Site]) -> Vec<Person> {
    let mut random = Random::new(seed, &format!("people of {}", site.number));
    let names = if site.is_hub() { at_hub(site) } else { at_store(site, sites) };
    let person = |(counter, (name, post)): (i64, (String, Option<Post>))| {
        let (first_name, last_name) = (*random.one_of(FIRST), *random.one_of(LAST));
        // Others are called by their names, with a number that nobody shares.
        let username = if name.starts_with('.') { first_name.to_ascii_lowercase() + &name } else { name };
        Some(Person { user: number::compose(counter, site.number)?, username, first_name, last_name, post })
    };
    (1..).zip(names).filter_map(person).collect()
}

/// Regional people have their accounts at the hub of their region.
fn at_hub(site: &Site) -> Vec<(String, Option<Post>)> {
    let letter = site.region.to_ascii_lowercase();
    let mut names = Vec::new();
    if site.region == HOME {
        names.push(("superadmin".to_owned(), Some(Post::Chain(Role::SuperAdmin))));
    }
    names.push((format!("logistics_{letter}"), Some(Post::Region(Role::LogisticsManager))));
    names.push((format!("repair_{letter}"), Some(Post::Region(Role::RepairStaff))));
    names
}

fn at_store(site: &Site, sites: &[Site]) -> Vec<(String, Option<Post>)> {
    let mut names = Vec::new();
    if site.region == HOME {
        if site.rank < STAFFED_STORES {
            let number = site.rank + 1;
            names.push((format!("admin_{number:03}"), Some(Post::Store(Role::Admin))));
            names.push((format!("manager_{number:03}"), Some(Post::Store(Role::Manager))));
        }
        if site.rank == 0 {
            names.push(("general_user".to_owned(), Some(Post::Own(Role::GeneralUser))));
        }
        let stores = sites.iter().filter(|other| other.region == HOME && !other.is_hub()).count().max(1);
        let here = (0..KNOWN).filter(|known| known % stores == site.rank);
        names.extend(here.map(|known| (format!("user{}", known + 1), None)));
    }
    names.extend((1..=CUSTOMERS).map(|customer| (format!(".{}.{customer}", site.number), None)));
    names
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::seed::network::{Profile, sites};

    fn everybody(profile: Profile) -> Vec<Person> {
        let sites = sites(profile);
        sites.iter().flat_map(|site| of(1, site, &sites)).collect()
    }

    #[test]
    fn every_role_has_somebody_and_nobody_is_there_twice() {
        for profile in [Profile::Demo, Profile::Chain] {
            let people = everybody(profile);
            let roles: HashSet<Role> = people.iter().filter_map(|person| Some(person.post?.role())).collect();
            assert_eq!(roles.len(), 6, "and those without a post are account users: {roles:?}");
            let names: HashSet<&str> = people.iter().map(|person| person.username.as_str()).collect();
            assert_eq!(names.len(), people.len());
            let numbers: HashSet<i64> = people.iter().map(|person| person.user).collect();
            assert_eq!(numbers.len(), people.len());
            for known in 1..=KNOWN {
                assert!(names.contains(format!("user{known}").as_str()), "user{known}");
            }
        }
        let chain = everybody(Profile::Chain);
        let count = |start: &str| chain.iter().filter(|person| person.username.starts_with(start)).count();
        assert_eq!([count("logistics_"), count("repair_"), count("manager_"), count("admin_")], [7, 7, 5, 5]);
        assert_eq!([count("superadmin"), count("general_user"), count("user")], [1, 1, 10]);
    }

    #[test]
    fn regional_people_are_born_at_hubs() {
        for person in everybody(Profile::Chain) {
            let wide = matches!(person.post, Some(Post::Region(_) | Post::Chain(_)));
            assert_eq!(wide, number::is_hub_born(person.user), "{person:?}");
        }
    }
}
