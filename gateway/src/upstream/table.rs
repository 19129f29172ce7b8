//! What is known of the nodes, in the order in which this gateway prefers them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use codepop_proto::nodes::NodeType;
use codepop_shared::geo::Place;
use uuid::Uuid;

use super::link::Link;

/// Where the gateway is, as far as it was told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Home {
    /// The store whose machine the gateway runs on.
    pub store: Option<Uuid>,
    /// The gateway's own place.
    pub place: Option<Place>,
}

/// What nodes told of a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Info {
    pub(crate) id: Uuid,
    /// Number in the chain; 0 while it is not known.
    pub(crate) number: u32,
    pub(crate) kind: NodeType,
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) place: Option<Place>,
    pub(crate) url: String,
    /// Whether other nodes see it as away. A hint only: it decides the order, not the choice.
    pub(crate) reported_away: bool,
    /// Whether it holds the numbers that were not born at any node.
    pub(crate) holds_old_numbers: bool,
    /// Nodes whose place it has taken, by id and number: what is asked of them is asked of it.
    pub(crate) replaces: Vec<(Uuid, u32)>,
}

impl Info {
    /// Its id and number, and those of the nodes whose place it has taken.
    fn ids(&self) -> impl Iterator<Item = (Uuid, u32)> {
        std::iter::once((self.id, self.number)).chain(self.replaces.iter().copied())
    }
}

/// The nodes whose place others have taken.
pub(crate) fn replaced<'a>(known: impl Iterator<Item = &'a Info>) -> HashSet<Uuid> {
    known.flat_map(|info| info.replaces.iter().map(|(id, _)| *id)).collect()
}

/// A node that can be asked.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) info: Info,
    pub(crate) link: Arc<Link>,
}

/// All nodes at one moment.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Preferred first.
    pub(crate) nodes: Vec<Arc<Node>>,
    by_id: HashMap<Uuid, Arc<Node>>,
    by_number: HashMap<u32, Arc<Node>>,
    old_numbers: Option<Arc<Node>>,
    /// Where the gateway is: as told, or where its store is.
    pub(crate) place: Option<Place>,
}

impl Node {
    pub(crate) fn is_store(&self) -> bool {
        self.info.kind == NodeType::Store
    }

    pub(crate) fn is_hub(&self) -> bool {
        self.info.kind == NodeType::SupplyHub
    }
}

impl Table {
    pub(crate) fn new(mut nodes: Vec<Node>, home: Home) -> Self {
        let replaced = replaced(nodes.iter().map(|node| &node.info));
        nodes.retain(|node| !replaced.contains(&node.info.id));
        let has_home = |node: &&Node| node.info.replaces.iter().any(|(id, _)| Some(*id) == home.store);
        let home = Home { store: nodes.iter().find(has_home).map(|node| node.info.id).or(home.store), ..home };
        let home_node = nodes.iter().find(|node| Some(node.info.id) == home.store);
        let place = home.place.or(home_node.and_then(|node| node.info.place));
        let mut nodes: Vec<Arc<Node>> = nodes.into_iter().map(Arc::new).collect();
        nodes.sort_by(|a, b| {
            preference(a, home, place).partial_cmp(&preference(b, home, place)).unwrap_or(a.info.id.cmp(&b.info.id))
        });
        Self {
            by_id: nodes
                .iter()
                .flat_map(|node| node.info.ids().map(|(id, _)| (id, Arc::clone(node))).collect::<Vec<_>>())
                .collect(),
            by_number: nodes
                .iter()
                .flat_map(|node| node.info.ids().map(|(_, number)| (number, Arc::clone(node))).collect::<Vec<_>>())
                .filter(|(number, _)| *number > 0)
                .collect(),
            // Only one should say so. If two did, every gateway must choose the same.
            old_numbers: nodes
                .iter()
                .filter(|node| node.info.holds_old_numbers)
                .min_by_key(|node| (node.info.number, node.info.id))
                .cloned(),
            nodes,
            place,
        }
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<&Arc<Node>> {
        self.by_id.get(&id)
    }

    pub(crate) fn by_number(&self, number: u32) -> Option<&Arc<Node>> {
        self.by_number.get(&number)
    }

    /// The node that holds the numbers that were not born at any node.
    pub(crate) fn with_old_numbers(&self) -> Option<&Arc<Node>> {
        self.old_numbers.as_ref()
    }

    /// Healthy stores around a place, nearest first, with their distance in miles where it is known.
    pub(crate) fn stores_near(
        &self,
        place: Option<Place>,
        except: Uuid,
        count: usize,
    ) -> Vec<(Arc<Node>, Option<f64>)> {
        let place = place.or(self.place);
        let distance = |node: &Node| Some(place?.miles_to(node.info.place?));
        let healthy = |node: &&Arc<Node>| {
            node.is_store() && node.link.is_up() && !node.info.reported_away && node.info.id != except
        };
        let mut stores: Vec<_> =
            self.nodes.iter().filter(healthy).map(|node| (Arc::clone(node), distance(node))).collect();
        stores.sort_by(|(_, a), (_, b)| a.unwrap_or(f64::INFINITY).total_cmp(&b.unwrap_or(f64::INFINITY)));
        stores.truncate(count);
        stores
    }
}

/// The own store first, then by distance, then those without a place; by number among equals.
fn preference(node: &Node, home: Home, place: Option<Place>) -> (bool, f64, u32, Uuid) {
    let miles = place.zip(node.info.place).map_or(f64::INFINITY, |(here, there)| here.miles_to(there));
    (Some(node.info.id) != home.store, miles, node.info.number, node.info.id)
}
