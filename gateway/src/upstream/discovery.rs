//! Finds the nodes of the chain: asks the seeds who they are, and a few nodes whom they know, again and again.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use codepop_proto::nodes::{
    DiscoverPeersResponse, GetHealthResponse, ListRevocationsResponse, NodeType, Peer, ReplacedNode,
};
use codepop_shared::{
    geo::Place,
    identity::{Kind, SpiffeId},
};
use futures::future::join_all;
use prost::Message;
use uuid::Uuid;

use super::{
    Security, Shared,
    grpc::{Answer, Content},
    link::Link,
    questions,
    revoked::Revoked,
    table::{self, Info, Node, Table},
};

/// Pause between two rounds. A new store can be found within it; a lost one is noticed by the calls themselves.
const ROUND_PAUSE: Duration = Duration::from_secs(3);

/// How long one question may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// How many nodes are asked in one round. More than one, so that a node is described also when only others know its place.
const ASKED_MAX: usize = 3;

/// Nodes that are remembered at most; far more than the chain is planned for.
const NODES_MAX: usize = 20_000;

/// A node that nobody has told of for this long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// A node by its address, before its id is known.
#[derive(Debug)]
pub(super) struct Seed {
    pub(super) url: String,
    pub(super) link: Arc<Link>,
    id: Option<Uuid>,
}

impl Seed {
    pub(super) fn new(url: String, link: Arc<Link>) -> Self {
        Self { url, link, id: None }
    }
}

/// What is known between two rounds.
pub(super) struct Discovery {
    shared: Arc<Shared>,
    seeds: Vec<Seed>,
    known: HashMap<Uuid, (Info, Instant)>,
    revoked: Revoked,
    round: usize,
}

impl Discovery {
    pub(super) fn new(shared: Arc<Shared>, seeds: Vec<Seed>) -> Self {
        Self { shared, seeds, known: HashMap::new(), revoked: Revoked::default(), round: 0 }
    }

    /// Rounds for ever.
    pub(super) async fn run(mut self) {
        loop {
            self.round().await;
            tokio::time::sleep(super::jittered(ROUND_PAUSE)).await;
        }
    }

    /// Asks once, and publishes what has changed.
    pub(super) async fn round(&mut self) {
        self.identify_seeds().await;
        self.publish();
        let asked = self.pick_asked();
        self.round += 1;
        let answers: Vec<Vec<Peer>> =
            join_all(asked.iter().map(|node| ask(&node.link))).await.into_iter().flatten().collect();
        self.learn_revoked(&asked).await;
        if !answers.is_empty() {
            self.learn(answers.into_iter().flatten().collect());
            let now = Instant::now();
            self.known.retain(|_, (_, told)| now.duration_since(*told) < FORGET_AFTER);
            self.publish();
            self.shared.settle();
        }
    }

    /// Asks whose certificates are revoked. Older nodes do not know the question.
    async fn learn_revoked(&mut self, asked: &[Arc<Node>]) {
        let Security::Tls(trust) = self.shared.security.clone() else { return };
        let limit = Instant::now() + ASK_TIMEOUT;
        let answers = join_all(asked.iter().map(|node| {
            let call = questions::revocations(self.revoked.known(node.info.id), limit);
            async move { (node, node.link.call(&call, limit).await) }
        }));
        for (node, answer) in answers.await {
            let told = answer.ok().and_then(decoded::<ListRevocationsResponse>);
            if let Some(told) = told {
                self.revoked.learn((node.info.id, node.link.certified_by()), &told, &trust);
            }
        }
        self.known.retain(|node, _| trust.refusal(*node).is_none());
    }

    /// Asks each seed who it is, unless that is known and it answers.
    async fn identify_seeds(&mut self) {
        let table = self.shared.table();
        let is_fine = |seed: &Seed| seed.id.and_then(|id| table.by_id(id)).is_some_and(|node| node.link.is_up());
        let unsure = self.seeds.iter().enumerate().filter(|(_, seed)| !is_fine(seed));
        let answers = join_all(unsure.map(|(index, seed)| async move { (index, identify(&seed.link).await) })).await;
        let now = Instant::now();
        for (index, answer) in answers {
            let Some(health) = answer else { continue };
            let seed = &mut self.seeds[index];
            let Some(found) = who(&health, seed.link.certified()) else { continue };
            seed.id = Some(found.id);
            // From here on the node's own link is used, which checks who answers.
            seed.link.close();
            let (info, told) = self.known.entry(found.id).or_insert_with(|| (found, now));
            info.name = health.display_name;
            *told = now;
        }
        for seed in &self.seeds {
            // An address that was configured is better than one that was told.
            if let Some((info, _)) = seed.id.and_then(|id| self.known.get_mut(&id)) {
                info.url.clone_from(&seed.url);
            }
        }
    }

    /// The nodes to ask in this round: seeds and others in turn.
    fn pick_asked(&self) -> Vec<Arc<Node>> {
        let table = self.shared.table();
        let up: Vec<&Arc<Node>> = table.nodes.iter().filter(|node| node.link.is_up()).collect();
        let seeds: Vec<Uuid> = self.seeds.iter().filter_map(|seed| seed.id).collect();
        let (mut asked, others): (Vec<_>, Vec<_>) = up.into_iter().partition(|node| seeds.contains(&node.info.id));
        asked.truncate(ASKED_MAX - 1);
        let left = (ASKED_MAX - asked.len()).min(others.len());
        asked.extend((0..left).map(|at| others[(self.round + at) % others.len()]));
        asked.into_iter().cloned().collect()
    }

    /// Takes over what the nodes asked in one round told.
    fn learn(&mut self, told: Vec<Peer>) {
        let now = Instant::now();
        for (info, reachable) in merged(told) {
            if self.is_refused(info.id) || (self.known.len() >= NODES_MAX && !self.known.contains_key(&info.id)) {
                continue;
            }
            let seed = self.seeds.iter().find(|seed| seed.id == Some(info.id));
            let url = seed.map_or(info.url, |seed| seed.url.clone());
            let info = Info { url, reported_away: reachable == Some(false), ..info };
            self.known.insert(info.id, (info, now));
        }
    }

    fn is_refused(&self, node: Uuid) -> bool {
        matches!(&self.shared.security, Security::Tls(trust) if trust.refusal(node).is_some())
    }

    /// Makes a new table, if something has changed. Links live on while address and id stay.
    fn publish(&self) {
        let old = self.shared.table();
        let replaced = table::replaced(self.known.values().map(|(info, _)| info));
        let known: Vec<&Info> =
            self.known.values().map(|(info, _)| info).filter(|info| !replaced.contains(&info.id)).collect();
        let unchanged = |info: &Info| old.by_id(info.id).is_some_and(|node| node.info == *info);
        if old.nodes.len() == known.len() && known.iter().all(|info| unchanged(info)) {
            return;
        }
        let nodes = known.into_iter().filter_map(|info| {
            let kept = old.by_id(info.id).filter(|node| node.info.url == info.url).map(|node| Arc::clone(&node.link));
            let link = match kept {
                Some(link) => link,
                None => match Link::new(&self.shared.security, &info.url, Some(info.id)) {
                    Ok(link) => link,
                    Err(problem) => {
                        tracing::debug!(node.id = %info.id, problem, "node left out");
                        return None;
                    }
                },
            };
            Some(Node { info: info.clone(), link })
        });
        self.shared.publish(Table::new(nodes.collect(), self.shared.home));
    }
}

/// Who answered: what its certificate says, or in plain text what it says itself. Its address and place are not known
/// yet.
fn who(health: &GetHealthResponse, certified: Option<SpiffeId>) -> Option<Info> {
    let said = || Some((Uuid::parse_str(&health.node_id).ok()?, health.node_type(), 0, String::new()));
    let shown = certified.map(|id| (id.uuid, node_type(id.kind), id.number, id.region));
    let (id, kind, number, region) = shown.or_else(said)?;
    let (name, url) = (String::new(), String::new());
    Some(Info {
        id,
        number,
        kind,
        name,
        region,
        place: None,
        url,
        reported_away: false,
        holds_old_numbers: false,
        replaces: Vec::new(),
    })
}

fn node_type(kind: Kind) -> NodeType {
    match kind {
        Kind::Store => NodeType::Store,
        Kind::Hub => NodeType::SupplyHub,
        _ => NodeType::Unspecified,
    }
}

/// Each node once, and whether it is reachable: for those who see it, the best news counts.
fn merged(told: Vec<Peer>) -> impl Iterator<Item = (Info, Option<bool>)> {
    let mut nodes: HashMap<Uuid, (Info, Option<bool>)> = HashMap::new();
    for peer in told {
        let (reachable, holds_old_numbers) = (peer.is_reachable, peer.holds_legacy_numbers);
        if let Some(info) = info(peer) {
            let replaces = info.replaces.clone();
            let entry = nodes.entry(info.id).or_insert((info, None));
            entry.1 = entry.1.max(reachable);
            entry.0.holds_old_numbers |= holds_old_numbers;
            // Who has not heard of it yet tells less.
            if entry.0.replaces.len() < replaces.len() {
                entry.0.replaces = replaces;
            }
        }
    }
    nodes.into_values()
}

fn info(peer: Peer) -> Option<Info> {
    let kind = peer.node_type();
    let replaced = |node: &ReplacedNode| Some((Uuid::parse_str(&node.node_id).ok()?, node.node_number));
    Some(Info {
        replaces: peer.replaces.iter().filter_map(replaced).collect(),
        id: Uuid::parse_str(&peer.peer_id).ok()?,
        number: peer.node_number,
        kind,
        place: peer.latitude.zip(peer.longitude).and_then(|(latitude, longitude)| Place::new(latitude, longitude)),
        reported_away: false,
        holds_old_numbers: peer.holds_legacy_numbers,
        name: peer.display_name,
        region: peer.region,
        url: peer.api_base_url,
    })
}

async fn identify(link: &Arc<Link>) -> Option<GetHealthResponse> {
    let limit = Instant::now() + ASK_TIMEOUT;
    let answer = link.call(&questions::health(limit), limit).await;
    answer.ok().and_then(decoded)
}

fn decoded<M: Message + Default>(answer: Answer) -> Option<M> {
    match answer.content {
        Content::Message(message) => M::decode(message).ok(),
        Content::Stream(_) => None,
    }
}

async fn ask(link: &Arc<Link>) -> Option<Vec<Peer>> {
    let limit = Instant::now() + ASK_TIMEOUT;
    let call = questions::peers(limit);
    match link.call(&call, limit).await {
        Ok(answer) => decoded::<DiscoverPeersResponse>(answer).map(|response| response.peers),
        Err(error) => {
            tracing::debug!(%error, "a node did not tell whom it knows");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_news_counts() {
        let id = Uuid::now_v7().to_string();
        let peer = |is_reachable| Peer { peer_id: id.clone(), is_reachable, ..Peer::default() };
        let news = |told: &[Option<bool>]| merged(told.iter().map(|told| peer(*told)).collect()).next().unwrap().1;
        assert_eq!(news(&[Some(false), Some(true), None]), Some(true));
        assert_eq!(news(&[None, Some(false)]), Some(false));
        assert_eq!(news(&[None]), None);
        let holds = |holds_legacy_numbers| Peer { peer_id: id.clone(), holds_legacy_numbers, ..Peer::default() };
        assert!(merged(vec![holds(false), holds(true), holds(false)]).next().unwrap().0.holds_old_numbers);
        assert_eq!(merged(vec![Peer { peer_id: "logan".to_owned(), ..Peer::default() }]).count(), 0);
    }
}
