//! Signed is not yet allowed: who may say what. Decided from the origin's certificate and the numbers in the event
//! alone, so that every node decides the same at any time. What it forbids is void.

use codepop_shared::{
    identity::{Kind, Replaced, SpiffeId},
    number,
};
use uuid::Uuid;

/// What an event is about, as far as the right to say it depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A node's announcement of itself.
    Node(Uuid),
    /// An account, by its number.
    Account(i64),
    /// A customer's favourite, drink or session; the same as the account.
    Customer(i64),
    /// The description of a store.
    Store(Uuid),
    /// The description of a hub.
    Hub(Uuid),
    /// The description of a region.
    Region(String),
    /// The chain's catalogue.
    Catalogue,
    /// A notice for the whole chain.
    ChainNotice,
    /// That somebody's certificate is not good any more.
    Certificate,
    /// Until when removed things are forgotten.
    Horizon,
    /// A role at a store.
    StoreRole(Uuid),
    /// A role in a region.
    RegionRole(String),
    /// A role in the whole chain.
    ChainRole,
}

impl Scope {
    /// The table: may `origin` make an event about this?
    ///
    /// | about | stores | hubs | operators |
    /// |---|---|---|---|
    /// | a node | itself | itself | itself |
    /// | an account born at a store or imported | yes | yes | no |
    /// | an account born at a hub | no | yes | no |
    /// | a guest's drink (owner 0) | yes | yes | no |
    /// | a store | itself | no | no |
    /// | a hub | no | itself | no |
    /// | a region | no | its own | yes |
    /// | the catalogue | no | yes | yes |
    /// | a notice for the chain | no | yes | yes |
    /// | that a certificate is revoked | no | no | yes |
    /// | until when removed things are forgotten | no | yes | no |
    /// | a role at a store | its own | yes | yes |
    /// | a role in a region | no | yes | yes |
    /// | a role in the chain | no | no | yes |
    pub fn allows(&self, origin: &SpiffeId) -> bool {
        use Kind::{Gateway, Hub, Operator, Store};
        match (self, origin.kind) {
            (_, Gateway) => false,
            (Self::Node(node), _) => *node == origin.uuid,
            (Self::Account(user) | Self::Customer(user), Store) => !number::is_hub_born(*user),
            (Self::Account(_) | Self::Customer(_), Hub) => true,
            (Self::Account(_) | Self::Customer(_), Operator) => false,
            (Self::Store(store), _) => origin.kind == Store && *store == origin.uuid,
            (Self::Hub(hub), _) => origin.kind == Hub && *hub == origin.uuid,
            (Self::Region(_), Store) => false,
            (Self::Region(code), Hub) => *code == origin.region,
            (
                Self::Catalogue | Self::ChainNotice | Self::Certificate | Self::RegionRole(_) | Self::ChainRole,
                Store,
            ) => false,
            (Self::Horizon, _) => origin.kind == Hub,
            (Self::StoreRole(store), Store) => *store == origin.uuid,
            (Self::Catalogue | Self::ChainNotice | Self::StoreRole(_) | Self::RegionRole(_), Hub) => true,
            (Self::Certificate | Self::ChainRole, Hub) => false,
            (
                Self::Region(_)
                | Self::Catalogue
                | Self::ChainNotice
                | Self::Certificate
                | Self::StoreRole(_)
                | Self::RegionRole(_)
                | Self::ChainRole,
                Operator,
            ) => true,
        }
    }
}

impl Scope {
    /// As [`Scope::allows`], for an origin whose certificate says that it takes the place of others: it has their say about
    /// their store's roles.
    pub fn allows_in_place_of(&self, origin: &SpiffeId, replaces: &[Replaced]) -> bool {
        let as_before = |replaced: &Replaced| {
            let before = SpiffeId { number: replaced.number, uuid: replaced.uuid, ..origin.clone() };
            self.allows(&before)
        };
        matches!(self, Self::StoreRole(_)) && replaces.iter().any(as_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(kind: Kind) -> SpiffeId {
        SpiffeId { chain: "test".into(), kind, region: "C".into(), number: 1, uuid: Uuid::from_u128(7) }
    }

    #[test]
    fn the_table_holds() {
        let own = Uuid::from_u128(7);
        let other = Uuid::from_u128(8);
        let hub_born = number::compose(1, 3).unwrap();
        let store_born = number::compose(1, 1_000).unwrap();
        // Columns: store, hub, operator.
        let table = [
            (Scope::Node(own), [true, true, true]),
            (Scope::Node(other), [false, false, false]),
            (Scope::Account(store_born), [true, true, false]),
            (Scope::Account(hub_born), [false, true, false]),
            (Scope::Customer(0), [true, true, false]),
            (Scope::Store(own), [true, false, false]),
            (Scope::Store(other), [false, false, false]),
            (Scope::Hub(own), [false, true, false]),
            (Scope::Region("C".into()), [false, true, true]),
            (Scope::Region("D".into()), [false, false, true]),
            (Scope::Catalogue, [false, true, true]),
            (Scope::ChainNotice, [false, true, true]),
            (Scope::Certificate, [false, false, true]),
            (Scope::Horizon, [false, true, false]),
            (Scope::StoreRole(own), [true, true, true]),
            (Scope::StoreRole(other), [false, true, true]),
            (Scope::RegionRole("C".into()), [false, true, true]),
            (Scope::ChainRole, [false, false, true]),
        ];
        for (scope, expected) in table {
            let decided = [Kind::Store, Kind::Hub, Kind::Operator].map(|kind| scope.allows(&origin(kind)));
            assert_eq!(decided, expected, "{scope:?}");
            assert!(!scope.allows(&origin(Kind::Gateway)), "{scope:?}");
        }
    }

    #[test]
    fn who_took_a_stores_place_decides_on_its_roles_and_nothing_else() {
        let other = Uuid::from_u128(8);
        let replaces = [Replaced { number: 1000, uuid: other }];
        let store = origin(Kind::Store);
        assert!(Scope::StoreRole(other).allows_in_place_of(&store, &replaces));
        assert!(!Scope::StoreRole(other).allows_in_place_of(&store, &[]));
        assert!(!Scope::StoreRole(Uuid::from_u128(9)).allows_in_place_of(&store, &replaces));
        assert!(!Scope::Node(other).allows_in_place_of(&store, &replaces));
        assert!(!Scope::RegionRole("C".into()).allows_in_place_of(&store, &replaces));
    }
}
