//! How events of roles merge: by assignment and scope; revoked wins for ever, in whatever order the two arrive.

use codepop_proto::roles::{Role, RoleAssigned, RoleRevoked};
use uuid::Uuid;

use super::store::{self, Row};
use crate::{
    auth::Place,
    journal::{Error, Field, Merge, Replicated, Scope, Stamp},
    storage::{
        Tx,
        types::{Id, Time},
    },
};

const GIVEN: Field = 1;
const REVOKED: Field = 2;

/// The right to say it follows from the place; a place that makes no sense needs the most.
fn scope_of(word: &str, user: i64) -> Scope {
    match Place::parse(word) {
        Some(Place::Own) => Scope::Account(user),
        Some(Place::Store(uuid)) => Scope::StoreRole(uuid),
        Some(Place::Region(code)) => Scope::RegionRole(code),
        Some(Place::Chain) | None => Scope::ChainRole,
    }
}

/// One spelling a place, or a role could be taken away under another one than it was given.
fn checked(assignment: &[u8], scope: &str) -> Result<Uuid, Error> {
    let place = Place::parse(scope).ok_or(Error::Unfit("the role's place makes no sense"))?;
    if place.word() != scope || scope.contains('\0') {
        return Err(Error::Unfit("the role's place is not spelled as it should be"));
    }
    Uuid::from_slice(assignment).map_err(|_| Error::Unfit("the assignment is not a UUID"))
}

fn hub(bytes: &[u8]) -> Result<Option<Id>, Error> {
    if bytes.is_empty() {
        return Ok(None);
    }
    Uuid::from_slice(bytes).map(|hub| Some(Id(hub))).map_err(|_| Error::Unfit("the hub is not a UUID"))
}

async fn find_or_make(tx: &mut Tx, assignment: Uuid, scope: &str, user: i64) -> Result<Row, Error> {
    Ok(store::get(tx, assignment, scope).await?.unwrap_or_else(|| Row::absent(assignment, scope, user)))
}

impl Replicated for RoleAssigned {
    fn scope(&self) -> Scope {
        scope_of(&self.scope, self.user)
    }

    fn subject(&self) -> i64 {
        self.user
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let assignment = checked(&self.assignment, &self.scope)?;
        let role = Role::try_from(self.role).ok().filter(|role| *role != Role::Unspecified);
        let role = role.ok_or(Error::Unfit("a role that this version does not know"))?;
        let hub = hub(&self.hub)?;
        let mut row = find_or_make(tx, assignment, &self.scope, self.user).await?;
        let mut merge = Merge::new(&row.clocks, stamp)?;
        if merge.takes(GIVEN) {
            row.hub = hub;
            row.user_id = self.user;
            row.role = i16::try_from(i32::from(role)).unwrap_or_default();
            row.assigned_by = self.assigned_by;
            row.assigned_at = Time(stamp.hlc.wall());
        }
        let (clocks, live) = merge.settle(tx).await?;
        row.clocks = clocks;
        store::save(tx, &row).await?;
        Ok(live)
    }
}

impl Replicated for RoleRevoked {
    fn scope(&self) -> Scope {
        scope_of(&self.scope, self.user)
    }

    fn subject(&self) -> i64 {
        self.user
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let assignment = checked(&self.assignment, &self.scope)?;
        // An early revocation makes a row without a user: whose role it is says the assignment alone.
        let mut row = find_or_make(tx, assignment, &self.scope, 0).await?;
        let mut merge = Merge::new(&row.clocks, stamp)?;
        row.revoked |= merge.takes(REVOKED);
        let (clocks, live) = merge.settle(tx).await?;
        row.clocks = clocks;
        store::save(tx, &row).await?;
        Ok(live)
    }
}
