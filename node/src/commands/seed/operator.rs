//! What only the operator may give: the role for the whole chain, signed with the operator's key and taken in at the hub where
//! the account was born.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use codepop_proto::{mesh::NodeAnnounced, roles::RoleAssigned};
use prost::Name;
use uuid::Uuid;

use super::{databases::opened, folder::AUTHORITY, identities::Node};
use crate::{
    clock::Clock,
    identity::{Author, OperatorIdentity},
    journal::{Audience, Draft, Event},
    replication::accept,
    seed::{self, Data, Post},
};

/// Gives the role to whoever has the post for the whole chain.
///
/// # Errors
/// The operator's keys can't be read, or the hub does not take what they signed.
pub(super) async fn appoint(folder: &Path, nodes: &[Node], data: &Data) -> Result<()> {
    let author = OperatorIdentity::load(&folder.join(AUTHORITY))?.author();
    for node in nodes.iter().filter(|node| node.site.is_hub()) {
        let people = seed::people(data, &node.site);
        let chosen = people.iter().filter(|person| matches!(person.post, Some(Post::Chain(_))));
        let assigned = chosen.filter_map(|person| Some((person.user, person.post?.role())));
        let assigned: Vec<RoleAssigned> = assigned.map(|(user, role)| in_the_chain(user, role.into())).collect();
        if assigned.is_empty() {
            continue;
        }
        let events = signed(&author, &assigned);
        let (wanted, opened) = (events.len(), opened(node).await?);
        let events = events.into_iter().map(Event::into_signed).collect();
        let taken = accept::batch(&opened.db, &author.id, events).await.context("take in the operator's events")?;
        ensure!(taken.new == wanted, "the hub took {} of the operator's {wanted} events", taken.new);
    }
    Ok(())
}

fn in_the_chain(user: i64, role: i32) -> RoleAssigned {
    RoleAssigned {
        assignment: Uuid::now_v7().as_bytes().to_vec(),
        user,
        role,
        scope: "chain".to_owned(),
        assigned_by: 0,
        hub: Vec::new(),
    }
}

/// The operator's stream from its beginning: who it is, and what it gives.
fn signed(author: &Author, assigned: &[RoleAssigned]) -> Vec<Event> {
    let clock = Clock::new(author.id.uuid);
    let announced = NodeAnnounced {
        certificate: author.certificate.der.clone(),
        display_name: "Operator".to_owned(),
        api_base_url: String::new(),
        latitude: None,
        longitude: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let mut events = vec![event(author, &clock, None, &announced, 0)];
    for role in assigned {
        events.push(event(author, &clock, events.last(), role, role.user));
    }
    events
}

fn event<M: Name>(author: &Author, clock: &Clock, before: Option<&Event>, message: &M, subject: i64) -> Event {
    let draft = Draft {
        audience: &Audience::Everyone,
        seq: before.map_or(0, |before| before.header.seq) + 1,
        previous: before.map(Event::hash),
        hlc: clock.tick(),
        schema_version: 1,
        kind: &M::full_name(),
        subject,
        message: &message.encode_to_vec(),
    };
    Event::sign(author, draft)
}
