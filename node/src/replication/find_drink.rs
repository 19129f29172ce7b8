//! Fetching one customer's drink from where it was made: the signed event that said it last. Drinks don't travel beyond
//! their region; the one who follows its maker is used where he is, and its event is not kept.

use std::time::Duration;

use codepop_proto::{
    catalog::UserDrinkSaved,
    journal::SignedEvent,
    mesh::{FindDrinkRequest, FindDrinkResponse, mesh_service_client::MeshServiceClient},
};
use codepop_shared::{
    identity::{Kind, SpiffeId},
    number,
};
use futures::{FutureExt as _, future::BoxFuture};
use prost::{Message as _, Name as _};
use tokio::time::timeout;
use uuid::Uuid;

use super::{accept, find::Finder};
use crate::{
    app::DrinkFinder,
    catalog,
    journal::{Event, Replicated as _, entries},
    mesh::{registry, replaced},
    storage::{self, Db, Tx},
};

/// How long one node is asked. A drink is waited for no longer than two seconds, and two nodes may be asked for it.
const ASK_TIMEOUT: Duration = Duration::from_millis(950);

/// Drinks that are fetched at the same time: whoever makes up numbers must not have this node ask others without end.
pub(super) const AT_ONCE_MAX: usize = 32;

impl DrinkFinder for Finder {
    fn find_drink(&self, drink: i64) -> BoxFuture<'_, Option<UserDrinkSaved>> {
        async move {
            let Ok(_place) = self.drinks_at_once.try_acquire() else { return None };
            if self.unknown_drinks.contains(&drink) {
                return None;
            }
            let found = self.fetch(drink).await;
            if found.is_none() {
                self.unknown_drinks.insert(drink);
            }
            found
        }
        .boxed()
    }
}

impl Finder {
    /// Asks the node where the drink was born, or a hub of its region when that one is away.
    async fn fetch(&self, drink: i64) -> Option<UserDrinkSaved> {
        let db = &self.dialler.db;
        let whom = db.read(move |tx| Box::pin(whom_to_ask(tx, drink))).await;
        let whom = whom.map_err(|error: storage::Error| tracing::warn!(error = %error, "no drink was looked for"));
        for node in whom.ok()? {
            // What a node that is there says is the answer, also that the drink is gone.
            if let Ok(Some(answer)) = timeout(ASK_TIMEOUT, self.ask_for_drink(node, drink)).await {
                return read(db, answer.event?, drink).await;
            }
        }
        None
    }

    async fn ask_for_drink(&self, node: Uuid, drink: i64) -> Option<FindDrinkResponse> {
        let mut client = MeshServiceClient::new(self.channel(node).await?);
        match client.find_drink(FindDrinkRequest { drink }).await {
            Ok(answer) => Some(answer.into_inner()),
            Err(status) => {
                tracing::debug!(peer.id = %node, code = ?status.code(), "a node could not be asked for a drink");
                self.forget_channel(node);
                None
            }
        }
    }
}

/// The node where a drink was born, then a hub of its region.
async fn whom_to_ask(tx: &mut Tx, drink: i64) -> Result<Vec<Uuid>, storage::Error> {
    let (Some(born), me) = (number::born_at(drink), tx.author.id.uuid) else { return Ok(Vec::new()) };
    let (known, successors) = (registry::current(tx).await?, replaced::successors(tx).await?);
    let now = successors.of_number(born).and_then(|now| known.iter().find(|known| known.id().uuid == now));
    let born = now.map_or(born, |now| now.id().number);
    Ok(choose(known.iter().map(registry::Known::id), born, me))
}

fn choose<'a>(known: impl Iterator<Item = &'a SpiffeId> + Clone, born: u32, me: Uuid) -> Vec<Uuid> {
    let Some(birth) = known.clone().find(|node| node.number == born && node.is_node()) else { return Vec::new() };
    let is_hub = |node: &&SpiffeId| node.kind == Kind::Hub && node.region == birth.region && node.uuid != birth.uuid;
    let hub = known.filter(is_hub).min_by_key(|hub| hub.number);
    std::iter::once(birth).chain(hub).map(|node| node.uuid).filter(|node| *node != me).collect()
}

/// The drink that an event says, if its origin may say it and it is the one asked for.
async fn read(db: &Db, signed: SignedEvent, drink: i64) -> Option<UserDrinkSaved> {
    let (event, origin) = match accept::attested(db, signed).await {
        Ok(attested) => attested,
        Err(error) => {
            tracing::warn!(error = %error, "a drink that a node sent was refused");
            return None;
        }
    };
    if db.clock().is_ahead(event.header.hlc) {
        return None;
    }
    said(&event, &origin).filter(|said| said.recipe.as_ref().is_some_and(|recipe| recipe.drink == drink))
}

fn said(event: &Event, origin: &SpiffeId) -> Option<UserDrinkSaved> {
    let header = &event.header;
    if header.kind != UserDrinkSaved::full_name() || header.schema_version > UserDrinkSaved::SCHEMA_VERSION {
        return None;
    }
    let said = UserDrinkSaved::decode(event.message()?).ok()?;
    let is_allowed = header.audience.may_be_addressed_by(origin)
        && said.is_for(&header.audience)
        && said.subject() == header.subject
        && said.scope().allows(origin);
    is_allowed.then_some(said)
}

/// The event that said a drink last, if the drink is there.
pub(super) async fn serve(tx: &mut Tx, drink: i64) -> Result<FindDrinkResponse, storage::Error> {
    let Some((stream, seq)) = catalog::said_in(tx, drink).await? else { return Ok(FindDrinkResponse::default()) };
    let event = entries::get(tx, stream, seq).await?.filter(|event| !event.body.is_empty());
    Ok(FindDrinkResponse { event })
}

#[cfg(test)]
mod tests {
    use codepop_proto::{
        catalog::{FavoriteAdded, Recipe, UserDrinkDeleted},
        mesh::NodeAnnounced,
    };

    use super::*;
    use crate::{
        journal::{self, Audience},
        on_both,
        storage::Error,
        testing::{self, Node},
    };

    fn recipe(drink: i64) -> Option<Recipe> {
        let (size, ice) = ("24oz".into(), "regular".into());
        let sodas = vec!["Coke".into()];
        let name = "Float".into();
        Some(Recipe { drink, name, sodas, price_cents: 200, size, ice, user_created: true, ..Recipe::default() })
    }

    fn saved(drink: i64) -> UserDrinkSaved {
        UserDrinkSaved { recipe: recipe(drink), owner: 0, created_at_us: 1, guest: vec![7; 16] }
    }

    fn region(code: &str) -> Audience {
        Audience::Region(code.into())
    }

    async fn say<M: journal::Replicated + 'static>(node: &Node, audience: Audience, message: M) {
        let said = node.db.write(move |tx| Box::pin(async move { journal::emit(tx, &audience, &message).await }));
        said.await.unwrap();
    }

    async fn served(node: &Node, drink: i64) -> Option<SignedEvent> {
        let served = node.db.read(move |tx| Box::pin(serve(tx, drink))).await;
        served.map_err(|error: Error| error).unwrap().event
    }

    /// Any event that the node made for an audience, by its seq.
    async fn event(node: &Node, audience: Audience, seq: i64) -> SignedEvent {
        let origin = node.app.author().id.uuid;
        let read = node.db.read(move |tx| {
            Box::pin(async move {
                let stream = journal::streams::find(tx, origin, &audience).await?.unwrap().id;
                entries::get(tx, stream, seq).await
            })
        });
        read.await.map_err(|error: Error| error).unwrap().unwrap()
    }

    on_both!(a_drink_is_served_as_it_was_said_last_and_believed_elsewhere, async |node: Node| {
        let drink = number::compose(1, 1_000).unwrap();
        assert!(served(&node, drink).await.is_none());
        say(&node, region("C"), UserDrinkSaved { recipe: recipe(drink), ..UserDrinkSaved::default() }).await;
        say(&node, region("C"), saved(drink)).await;
        let signed = served(&node, drink).await.unwrap();

        let far = Node::sqlite_as(testing::name(2_000, "D")).await;
        assert!(read(&far.db, signed.clone(), drink).await.is_none(), "its origin is not known there yet");
        let announcement = NodeAnnounced {
            certificate: node.app.author().certificate.der.clone(),
            api_base_url: "https://127.0.0.1:1".into(),
            ..NodeAnnounced::default()
        };
        say(&node, Audience::Everyone, announcement).await;
        let announced = event(&node, Audience::Everyone, 1).await;
        accept::announcements(&far.db, vec![announced]).await.unwrap();
        assert_eq!(read(&far.db, signed.clone(), drink).await, Some(saved(drink)));
        assert!(read(&far.db, signed.clone(), drink + number::STRIDE).await.is_none(), "another drink");
        let mut forged = signed.clone();
        forged.body = [&forged.body[..], &[0]].concat().into();
        assert!(read(&far.db, forged, drink).await.is_none());
        let mut forged = signed;
        forged.signature = vec![0; 64].into();
        assert!(read(&far.db, forged, drink).await.is_none());
        // Something else that the same node said.
        say(&node, Audience::Everyone, FavoriteAdded { user: 101_000, recipe: recipe(drink) }).await;
        assert!(read(&far.db, event(&node, Audience::Everyone, 2).await, drink).await.is_none());

        say(&node, region("C"), UserDrinkDeleted { drink, owner: 0 }).await;
        assert!(served(&node, drink).await.is_none());
    });

    #[test]
    fn the_node_of_its_birth_is_asked_and_then_a_hub_of_its_region() {
        let nodes = [(1_000, "C"), (7, "C"), (3, "C"), (2, "D"), (2_000, "D")].map(|(n, code)| testing::name(n, code));
        let uuid = |at: usize| nodes[at].uuid;
        let ask = |born, me| choose(nodes.iter(), born, me);
        assert_eq!(ask(1_000, uuid(4)), [uuid(0), uuid(2)]);
        assert_eq!(ask(1_000, uuid(2)), [uuid(0)], "not itself");
        assert_eq!(ask(3, uuid(4)), [uuid(2), uuid(1)]);
        assert!(ask(1_001, uuid(4)).is_empty(), "nobody knows that node");
    }
}
