//! What only the operator may give: the role for the whole chain, signed with the operator's key and taken in at the hub where
//! the account was born.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use codepop_proto::roles::{Role, RoleAssigned};
use uuid::Uuid;

use super::{databases::opened, folder::AUTHORITY, identities::Node};
use crate::{
    commands::writer::OperatorStream,
    identity::OperatorIdentity,
    replication::accept,
    seed::{self, Data, Person, Post},
};

/// Gives the role to whoever has the post for the whole chain.
///
/// # Errors
/// The operator's keys can't be read, or the hub does not take what they signed.
pub(super) async fn appoint(folder: &Path, nodes: &[Node], data: &Data) -> Result<()> {
    let author = OperatorIdentity::load(&folder.join(AUTHORITY))?.author();
    let operator = author.id.clone();
    let mut stream = OperatorStream::at(author, 0, None);
    for node in nodes.iter().filter(|node| node.site.is_hub()) {
        let people = seed::people(data, &node.site);
        let chosen: Vec<&Person> = people.iter().filter(|person| matches!(person.post, Some(Post::Chain(_)))).collect();
        if chosen.is_empty() {
            continue;
        }
        for person in chosen {
            let role = person.post.map_or(Role::Unspecified, Post::role);
            stream.say(&in_the_chain(person.user, role), person.user);
        }
        let events = stream.take();
        let (wanted, opened) = (events.len(), opened(node).await?);
        let taken = accept::batch(&opened.db, &operator, events).await.context("take in the operator's events")?;
        ensure!(taken.new == wanted, "the hub took {} of the operator's {wanted} events", taken.new);
    }
    Ok(())
}

fn in_the_chain(user: i64, role: Role) -> RoleAssigned {
    RoleAssigned {
        assignment: Uuid::now_v7().as_bytes().to_vec(),
        user,
        role: role.into(),
        scope: "chain".to_owned(),
        assigned_by: 0,
        hub: Vec::new(),
    }
}
