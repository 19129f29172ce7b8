//! The contract of CodePop as Rust: generated messages, clients and servers, one module a package, and the descriptor
//! set from which the gateway builds its routes.
//!
//! The `.proto` files under `codepop/` are the source of everything here; read those first.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used, clippy::expect_used, rustdoc::all)]

pub mod contract;

/// All files of the contract with options and comments, as an encoded `FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! package {
    ($(#[$doc:meta])* $name:ident, $package:literal) => {
        $(#[$doc])*
        pub mod $name {
            pub mod v1 {
                tonic::include_proto!($package);
            }
        }
    };
}

/// Packages by their own path, as the generated code refers to them.
pub mod codepop {
    package!(accounts, "codepop.accounts.v1");
    package!(audit, "codepop.audit.v1");
    package!(catalog, "codepop.catalog.v1");
    package!(dashboards, "codepop.dashboards.v1");
    package!(generator, "codepop.generator.v1");
    package!(inventory, "codepop.inventory.v1");
    package!(journal, "codepop.journal.v1");
    package!(maintenance, "codepop.maintenance.v1");
    package!(mesh, "codepop.mesh.v1");
    package!(nodes, "codepop.nodes.v1");
    package!(notifications, "codepop.notifications.v1");
    package!(operator, "codepop.operator.v1");
    package!(options, "codepop.options.v1");
    package!(orders, "codepop.orders.v1");
    package!(payments, "codepop.payments.v1");
    package!(preferences, "codepop.preferences.v1");
    package!(receipts, "codepop.receipts.v1");
    package!(reports, "codepop.reports.v1");
    package!(roles, "codepop.roles.v1");
    package!(staff, "codepop.staff.v1");
    package!(stores, "codepop.stores.v1");
    package!(support, "codepop.support.v1");
}

/// The public standard's messages, by their own path.
pub mod google {
    pub mod api {
        tonic::include_proto!("google.api");
    }
}

pub use codepop::{
    accounts::v1 as accounts, audit::v1 as audit, catalog::v1 as catalog, dashboards::v1 as dashboards,
    generator::v1 as generator, inventory::v1 as inventory, journal::v1 as journal, maintenance::v1 as maintenance,
    mesh::v1 as mesh, nodes::v1 as nodes, notifications::v1 as notifications, operator::v1 as operator,
    options::v1 as options, orders::v1 as orders, payments::v1 as payments, preferences::v1 as preferences,
    receipts::v1 as receipts, reports::v1 as reports, staff::v1 as staff, stores::v1 as stores, support::v1 as support,
};

/// Roles: their events and RPCs, and what there is to be, which permissions are said by.
pub mod roles {
    pub use super::codepop::{options::v1::Role, roles::v1::*};
}
