//! `revoke`: takes a role away that only the operator can take, signed with the operator's event key.

use anyhow::{Result, ensure};
use codepop_proto::{
    operator::{ListChainRolesRequest, operator_service_client::OperatorServiceClient},
    roles::RoleRevoked,
};

use super::{client, grant, print, writer::Writer};
use crate::{config::RevokeConfig, identity::OperatorIdentity};

pub(super) async fn revoke(config: &RevokeConfig) -> Result<()> {
    let author = OperatorIdentity::load(&config.client.pki_dir)?.author();
    let (user, role) = (config.user, grant::role(&config.role)?);
    let mut node = OperatorServiceClient::new(client::connect(&config.client).await?);
    let held = node.list_chain_roles(ListChainRolesRequest {}).await.map_err(client::said)?.into_inner();
    let held: Vec<_> = held.roles.into_iter().filter(|held| held.user == user && held.role() == role).collect();
    ensure!(!held.is_empty(), "as far as this node knows, user {user} has no role {} in the chain", role.as_str_name());
    let mut writer = Writer::open(author, node).await?;
    for one in held {
        let revoked = RoleRevoked { assignment: one.assignment, user, scope: "chain".to_owned(), revoked_by: 0 };
        writer.say(&revoked, user);
    }
    writer.submit().await?;
    Ok(print(&format!("User {user} has the role {} no more.", role.as_str_name()))?)
}
