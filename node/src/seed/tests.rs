//! A site's data in a database of either kind, and read back.

use super::*;
use crate::{
    accounts, inventory,
    orders::Status,
    testing::{self, Node},
};

fn data(seed: u64) -> Data {
    Data {
        seed,
        span: Span::ending("2026-10-31".parse().unwrap(), 7).unwrap(),
        hash: accounts::old_hash("a long password"),
        sites: sites(Profile::Demo),
    }
}

async fn filled(node: &Node, data: &Data) -> Contents {
    let number = node.db.author().id.number;
    let site = data.sites.iter().find(|site| site.number == number).unwrap();
    fill(&node.app, data, site, "https://127.0.0.1:7101").await.unwrap();
    Contents::read(&node.app, data, site).await.unwrap()
}

/// The demo's first store, on SQLite.
async fn store() -> Node {
    Node::sqlite_as(testing::name(1_201, "C")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_seed_fills_the_same() {
    let (one, again, other) = (store().await, store().await, store().await);
    let one = digest(&[filled(&one, &data(1)).await]);
    assert_eq!(one, digest(&[filled(&again, &data(1)).await]));
    assert_ne!(one, digest(&[filled(&other, &data(2)).await]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_has_the_same() {
    let (sqlite, postgres) = (store().await, Node::postgres_as(testing::name(1_201, "C")).await);
    assert_eq!(digest(&[filled(&sqlite, &data(1)).await]), digest(&[filled(&postgres, &data(1)).await]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_and_shelves_add_up_in_the_rows() {
    let node = store().await;
    let contents = filled(&node, &data(1)).await;
    let ordered: i64 = contents.orders.iter().map(|(order, _)| order.total_cents).sum();
    assert_eq!(contents.sold(), ordered);
    let drinks = contents.orders.iter().flat_map(|(_, drinks)| drinks);
    assert_eq!(ordered, drinks.map(|drink| drink.price_cents).sum::<i64>());
    let cancelled = contents.orders.iter().filter(|(order, _)| order.status == Status::Cancelled);
    assert!(cancelled.map(|(order, _)| order.total_cents).sum::<i64>() <= contents.given_back());
    assert_eq!(contents.people.len(), people::of(1, &contents.site, &data(1).sites).len());
    for item in contents.stock.iter().take(10) {
        let id = item.id;
        let moved = node.db.read(move |tx| Box::pin(inventory::movements(tx, id, 10_000))).await.unwrap();
        assert_eq!(moved.iter().map(|moved| moved.change).sum::<i32>(), item.quantity, "{}", item.name);
        assert_eq!(moved.first().unwrap().quantity, item.quantity);
    }
}
