//! Which role holds where, and what must be said to give it. Pure rules.

use codepop_proto::roles::Role;
use codepop_shared::{Code, Failure};
use uuid::Uuid;

use crate::{
    app::edge::{self, Problems},
    auth::Place,
};

/// Whether a role can hold at a place. One that is said of another place gives nothing there.
pub(super) fn fits(role: Role, place: &Place) -> bool {
    match role {
        Role::Unspecified => false,
        Role::AccountUser | Role::GeneralUser => *place == Place::Own,
        Role::Manager | Role::Admin => matches!(place, Place::Store(_)),
        Role::LogisticsManager | Role::RepairStaff => matches!(place, Place::Region(_)),
        Role::SuperAdmin => *place == Place::Chain,
    }
}

/// The role for people.
pub fn display(role: Role) -> &'static str {
    match role {
        Role::Unspecified => "",
        Role::AccountUser => "Account User",
        Role::GeneralUser => "General User",
        Role::Manager => "Store Manager",
        Role::Admin => "Store Admin",
        Role::LogisticsManager => "Logistics Manager",
        Role::RepairStaff => "Repair Staff",
        Role::SuperAdmin => "Super Admin",
    }
}

/// A role and what was said of where it is to hold.
#[derive(Clone, Debug)]
pub struct Target {
    role: Role,
    store: Option<Uuid>,
    region: Option<String>,
    hub: Option<String>,
}

impl Target {
    /// Reads the fields of a request; an empty one counts as left out.
    ///
    /// # Errors
    /// A place is named that is none.
    pub fn read(
        role: Role,
        store: Option<String>,
        region: Option<String>,
        hub: Option<String>,
    ) -> Result<Self, Failure> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Self {
            role,
            store: given(store).map(|text| edge::uuid("store_id", &text)).transpose()?,
            region: given(region).map(|code| region_code(&code)).transpose()?,
            hub: given(hub),
        })
    }

    /// Where the caller must have the permission: the place that was named, whatever else is wrong with the request; the
    /// chain, when the role needs none.
    ///
    /// # Errors
    /// The role needs a place and none is named.
    pub fn asked_at(&self) -> Result<Place, Failure> {
        match (&self.store, &self.region, self.role) {
            (Some(store), ..) => Ok(Place::Store(*store)),
            (None, Some(code), _) => Ok(Place::Region(code.clone())),
            (None, None, Role::Manager | Role::Admin) => Err(missing("store_id")),
            (None, None, Role::LogisticsManager | Role::RepairStaff) => Err(missing("region_code")),
            (None, None, _) => Ok(Place::Chain),
        }
    }

    /// The role, where it is to hold, and which hub was named.
    ///
    /// # Errors
    /// The fields do not fit the role; all of them are named. Super admins are not made here.
    pub(super) fn checked(&self) -> Result<(Role, Place, Option<Uuid>), Failure> {
        let mut problems = Problems::default();
        let (needs_store, needs_region) = match self.role {
            Role::Unspecified => {
                problems.add("role_type", "must be given");
                (self.store.is_some(), self.region.is_some())
            }
            Role::SuperAdmin => return Err(for_operator("gives", "grant")),
            role => (
                matches!(role, Role::Manager | Role::Admin),
                matches!(role, Role::LogisticsManager | Role::RepairStaff),
            ),
        };
        let mut require = |field: &str, is_given: bool, needed: bool, not: &str| match (is_given, needed) {
            (false, true) => problems.add(field, "must be given for this role"),
            (true, false) => problems.add(field, not),
            _ => {}
        };
        require("store_id", self.store.is_some(), needs_store, "must be left out: this role is no store's");
        require("region_code", self.region.is_some(), needs_region, "must be left out: this role is no region's");
        if self.role != Role::LogisticsManager {
            require("supply_hub_id", self.hub.is_some(), false, "must be left out: only logistics managers have a hub");
        }
        let hub = self.hub.as_deref().map(|text| Uuid::try_parse(text).map_err(|_| "must be a UUID"));
        let hub = hub.and_then(|hub| problems.check("supply_hub_id", hub));
        problems.finish()?;
        let place = match (self.store, &self.region) {
            (Some(store), _) => Place::Store(store),
            (None, Some(code)) => Place::Region(code.clone()),
            (None, None) => Place::Own,
        };
        Ok((self.role, place, hub))
    }
}

fn missing(field: &str) -> Failure {
    Failure::invalid(field, "must be given for this role")
}

/// Reads the code of a region.
///
/// # Errors
/// It is none.
pub(super) fn region_code(code: &str) -> Result<String, Failure> {
    match Place::parse(&format!("region:{code}")) {
        Some(Place::Region(code)) => Ok(code),
        _ => Err(Failure::invalid("region_code", "must be 1 to 10 letters or digits")),
    }
}

/// What is said of super admins, whom no store's or hub's key can make.
pub(super) fn for_operator(does: &str, command: &str) -> Failure {
    let detail = format!("Only the operator's key {does} the role SUPER_ADMIN: run `codepop-node {command}`.");
    Failure::new(Code::Forbidden, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: &str = "00000000-0000-0000-0000-000000000007";

    fn read(role: Role, store: &str, region: &str, hub: &str) -> Result<Target, Failure> {
        let some = |text: &str| Some(text.to_owned());
        Target::read(role, some(store), some(region), some(hub))
    }

    fn wrong(role: Role, store: &str, region: &str, hub: &str) -> Vec<String> {
        let refused = read(role, store, region, hub).and_then(|target| target.checked()).unwrap_err();
        assert_eq!(refused.code, Code::Invalid);
        refused.fields.into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn every_role_has_its_place() {
        let places = [Place::Own, Place::Store(Uuid::nil()), Place::Region("C".into()), Place::Chain];
        let table = [
            (Role::Unspecified, [false, false, false, false]),
            (Role::AccountUser, [true, false, false, false]),
            (Role::GeneralUser, [true, false, false, false]),
            (Role::Manager, [false, true, false, false]),
            (Role::Admin, [false, true, false, false]),
            (Role::LogisticsManager, [false, false, true, false]),
            (Role::RepairStaff, [false, false, true, false]),
            (Role::SuperAdmin, [false, false, false, true]),
        ];
        for (role, expected) in table {
            assert_eq!(places.each_ref().map(|place| fits(role, place)), expected, "{role:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(wrong(Role::Manager, "", "", ""), ["store_id"]);
        assert_eq!(wrong(Role::Admin, "logan", "", ""), ["store_id"]);
        assert_eq!(wrong(Role::Admin, STORE, "C", STORE), ["region_code", "supply_hub_id"]);
        assert_eq!(wrong(Role::RepairStaff, "", "", ""), ["region_code"]);
        assert_eq!(wrong(Role::RepairStaff, STORE, "C", STORE), ["store_id", "supply_hub_id"]);
        assert_eq!(wrong(Role::RepairStaff, "", "region c", ""), ["region_code"]);
        assert_eq!(wrong(Role::LogisticsManager, "", "C", "hub"), ["supply_hub_id"]);
        assert_eq!(wrong(Role::GeneralUser, STORE, "", ""), ["store_id"]);
        assert_eq!(wrong(Role::AccountUser, "", "C", ""), ["region_code"]);
        assert_eq!(wrong(Role::Unspecified, "", "", ""), ["role_type"]);
        let refused = read(Role::SuperAdmin, "", "", "").unwrap().checked().unwrap_err();
        assert_eq!(refused.code, Code::Forbidden);
        assert!(refused.detail.contains("codepop-node grant"));
    }

    #[test]
    fn the_place_named_is_where_leave_is_asked() {
        let at = |role, store, region| read(role, store, region, "").unwrap().asked_at();
        let store = Place::Store(STORE.parse().unwrap());
        assert_eq!(at(Role::Unspecified, STORE, ""), Ok(store.clone()));
        assert_eq!(at(Role::SuperAdmin, STORE, "C"), Ok(store));
        assert_eq!(at(Role::Manager, "", "C"), Ok(Place::Region("C".into())));
        assert_eq!(at(Role::GeneralUser, "", ""), Ok(Place::Chain));
        assert_eq!(at(Role::Manager, "", "").unwrap_err().fields[0].0, "store_id");
        let good = read(Role::LogisticsManager, "", "C", STORE).unwrap().checked().unwrap();
        assert_eq!(good, (Role::LogisticsManager, Place::Region("C".into()), Some(STORE.parse().unwrap())));
    }
}
