//! Roles on both databases.

use codepop_proto::roles::{RoleAssigned, RoleRevoked};
use codepop_shared::number;

use super::*;
use crate::{
    clock::Hlc,
    journal::{Error, Replicated, Stamp},
    on_both,
    storage::Db,
    testing::{self, Node},
};

fn hub_born() -> i64 {
    number::compose(1, 1).unwrap()
}

async fn give(db: &Db, user: i64, role: Role, place: &Place) -> Result<Uuid, Error> {
    let new = NewAssignment { user, role, place: place.clone(), hub: None, by: 0 };
    db.write(move |tx| Box::pin(async move { assign(tx, &new).await })).await
}

async fn take(db: &Db, assignment: Uuid, place: &Place) -> Result<bool, Error> {
    let place = place.clone();
    db.write(move |tx| Box::pin(async move { revoke(tx, assignment, &place, 0).await })).await
}

async fn held(db: &Db, user: i64) -> Vec<Grant> {
    db.read(move |tx| Box::pin(in_force(tx, user))).await.map_err(|error: storage::Error| error).unwrap()
}

async fn apply<M: Replicated + Clone + 'static>(db: &Db, message: &M, hlc: u64) -> Result<i32, Error> {
    let (message, stamp) =
        (message.clone(), Stamp { hlc: Hlc(hlc), origin: Uuid::nil(), stream: 1, seq: hlc.cast_signed() });
    db.write(move |tx| Box::pin(async move { message.apply(tx, &stamp).await })).await
}

on_both!(given_taken_and_given_again, async |node: Node| {
    let (own, user) = (Place::Store(node.app.author().id.uuid), 101_000);
    let first = give(&node.db, user, Role::Manager, &own).await.unwrap();
    give(&node.db, user, Role::Admin, &own).await.unwrap();
    assert_eq!(held(&node.db, user).await.len(), 2);
    assert!(take(&node.db, first, &own).await.unwrap());
    assert!(!take(&node.db, first, &own).await.unwrap());
    assert_eq!(held(&node.db, user).await, [Grant { role: Role::Admin, place: own.clone() }]);
    give(&node.db, user, Role::Manager, &own).await.unwrap();
    assert_eq!(held(&node.db, user).await.len(), 2);
});

on_both!(a_store_gives_its_own_roles_only, async |node: Node| {
    let other = Place::Store(Uuid::now_v7());
    assert!(matches!(give(&node.db, 101_000, Role::Manager, &other).await, Err(Error::Forbidden { .. })));
    let region = Place::Region("C".into());
    assert!(matches!(give(&node.db, hub_born(), Role::RepairStaff, &region).await, Err(Error::Forbidden { .. })));
    // Not even a hub gives a customer more than a store's role.
    let hub = Node::sqlite_as(testing::name(1, "C")).await;
    assert!(matches!(give(&hub.db, 101_000, Role::RepairStaff, &region).await, Err(Error::Unfit(_))));
    give(&hub.db, hub_born(), Role::RepairStaff, &region).await.unwrap();
    assert!(matches!(give(&hub.db, hub_born(), Role::SuperAdmin, &Place::Chain).await, Err(Error::Forbidden { .. })));
});

on_both!(a_customer_with_a_regional_role_has_none, async |node: Node| {
    let message = RoleAssigned {
        assignment: Uuid::now_v7().as_bytes().to_vec(),
        user: 101_000,
        role: Role::SuperAdmin.into(),
        scope: "chain".into(),
        assigned_by: 0,
        hub: Vec::new(),
    };
    apply(&node.db, &message, 1).await.unwrap();
    assert_eq!(held(&node.db, 101_000).await, []);
});

on_both!(revoked_wins_in_any_order_and_in_its_scope_alone, async |node: Node| {
    let store = |number| format!("store:{}", Uuid::from_u128(number));
    for (user, order) in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]].into_iter().enumerate() {
        let (user, assignment) = (user as i64 + 1, Uuid::now_v7().as_bytes().to_vec());
        let given = RoleAssigned {
            assignment: assignment.clone(),
            user,
            role: Role::Manager.into(),
            scope: store(7),
            assigned_by: 0,
            hub: Vec::new(),
        };
        let revoked = |scope| RoleRevoked { assignment: assignment.clone(), user, scope, revoked_by: 0 };
        // The thief's revocation of the same assignment, in the name of another store, is about nothing.
        let (right, wrong) = (revoked(store(7)), revoked(store(8)));
        for what in order {
            match what {
                0 => apply(&node.db, &given, 30).await.unwrap(),
                1 => apply(&node.db, &wrong, 20).await.unwrap(),
                _ => apply(&node.db, &right, 10).await.unwrap(),
            };
            let expected = order[..=order.iter().position(|at| *at == what).unwrap()].to_vec();
            let in_force = expected.contains(&0) && !expected.contains(&2);
            assert_eq!(held(&node.db, user).await.len(), usize::from(in_force), "{order:?} after {what}");
        }
    }
});

on_both!(a_role_holds_where_it_can_and_nowhere_else, async |node: Node| {
    // What a thief of a store's keys may say of that store: that there is its own super admin. It is nothing.
    let here = format!("store:{}", Uuid::from_u128(7));
    for (role, scope) in
        [(Role::SuperAdmin, &*here), (Role::RepairStaff, &*here), (Role::Admin, "own"), (Role::Admin, "region:C")]
    {
        let message = RoleAssigned {
            assignment: Uuid::now_v7().as_bytes().to_vec(),
            user: hub_born(),
            role: role.into(),
            scope: scope.into(),
            ..Default::default()
        };
        apply(&node.db, &message, 1).await.unwrap();
    }
    assert_eq!(held(&node.db, hub_born()).await, []);
    let at = Place::Store(Uuid::from_u128(7));
    let listed = node.db.read(move |tx| Box::pin(async move { in_force_at(tx, &at).await })).await;
    assert_eq!(listed.map_err(|error: storage::Error| error).unwrap(), []);
});

on_both!(what_makes_no_sense_waits, async |node: Node| {
    let good = RoleAssigned {
        assignment: Uuid::now_v7().as_bytes().to_vec(),
        user: 101_000,
        role: Role::Manager.into(),
        scope: format!("store:{}", Uuid::from_u128(7)),
        assigned_by: 0,
        hub: Vec::new(),
    };
    let upper = format!("store:{}", Uuid::from_u128(0xab)).to_uppercase().replace("STORE", "store");
    for bad in [
        RoleAssigned { role: 99, ..good.clone() },
        RoleAssigned { role: 0, ..good.clone() },
        RoleAssigned { assignment: vec![1], ..good.clone() },
        RoleAssigned { hub: vec![1], ..good.clone() },
        RoleAssigned { scope: "everywhere".into(), ..good.clone() },
        RoleAssigned { scope: upper, ..good.clone() },
    ] {
        assert!(matches!(apply(&node.db, &bad, 1).await, Err(Error::Unfit(_))), "{bad:?}");
    }
    apply(&node.db, &good, 1).await.unwrap();
});

#[test]
fn standing_follows_reach() {
    let grant = |role| Grant { role, place: Place::Chain };
    let nobody = standing(&[]);
    assert_eq!((nobody.role, nobody.place), (Role::AccountUser, Place::Own));
    let here = Place::Store(Uuid::nil());
    let manager = standing(&[Grant { role: Role::Manager, place: here.clone() }]);
    assert_eq!((manager.role, manager.place, manager.words.len()), (Role::Manager, here, 2));
    let both = standing(&[grant(Role::Manager), grant(Role::SuperAdmin)]);
    assert_eq!((both.role, both.is_admin, both.is_manager), (Role::SuperAdmin, true, true));
    let repair = standing(&[grant(Role::RepairStaff), grant(Role::Admin)]);
    assert_eq!((repair.role, repair.is_admin, repair.is_manager), (Role::RepairStaff, true, false));
    assert_eq!(words(&[grant(Role::Manager), grant(Role::Manager)]), ["ACCOUNT_USER", "MANAGER"]);
}
