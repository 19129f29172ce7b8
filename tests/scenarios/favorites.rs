//! Favourites and drinks, through the app's door.

use std::time::Duration;

use codepop_tests::harness::{Backend, Builder, Gateway, Mesh, PASSWORD, check, eventually};
use reqwest::Method;
use serde_json::{Value, json};

/// Time for something written at one node to be seen at another, on a busy machine.
const SPREAD: Duration = Duration::from_secs(20);

/// A customer: token, number, and the path of the favourites.
struct Customer {
    token: String,
    favorites: String,
}

async fn customer(gateway: &Gateway, name: &str) -> Customer {
    let body = json!({"username": name, "password": PASSWORD});
    let made = gateway.post("/backend/auth/register/", None, body).await.expect(201);
    let token = made["token"].as_str().unwrap().to_owned();
    Customer { token, favorites: format!("/backend/users/{}/favorites/", made["user_id"]) }
}

async fn own_drink(gateway: &Gateway, customer: &Customer, name: &str) -> i64 {
    let body = json!({"Name": name, "SyrupsUsed": ["Vanilla"], "SodaUsed": ["Sprite"], "AddIns": [], "Price": 3.5,
        "User_Created": true});
    gateway.post("/backend/drinks/", Some(&customer.token), body).await.expect(201)["DrinkID"].as_i64().unwrap()
}

async fn names(gateway: &Gateway, customer: &Customer) -> Result<Vec<String>, String> {
    let answer = gateway.get(&customer.favorites, Some(&customer.token)).await;
    let Value::Array(drinks) = &answer.json else { return Err(format!("{}: {}", answer.status, answer.json)) };
    Ok(drinks.iter().map(|drink| drink["Name"].as_str().unwrap().to_owned()).collect())
}

async fn shows(gateway: &Gateway, customer: &Customer, expected: &[&str]) {
    eventually(SPREAD, &format!("the favourites are {expected:?}"), async || {
        let names = names(gateway, customer).await?;
        check(names == expected, || format!("{names:?}"))
    })
    .await;
}

on_both!(
    /// A favourite travels with its drink, also to another region, and goes everywhere when it is removed.
    favourites_travel_with_their_drinks,
    |backend: Backend| async move {
        let mesh = Builder::with(2).on(backend).start().await;
        let (one, two) = (mesh.gateway(&[1]).await, mesh.gateway(&[2]).await);
        let ada = customer(&one, "ada").await;
        let drink = own_drink(&one, &ada, "Analytical Engine").await;
        let add = json!({"drink_id": drink});
        one.post(&ada.favorites, Some(&ada.token), add.clone()).await.expect(201);
        shows(&two, &ada, &["Analytical Engine"]).await;
        // Adding it again, elsewhere, changes nothing.
        let again = two.post(&ada.favorites, Some(&ada.token), add).await.expect(200);
        assert_eq!(again["existed"], true);
        mesh.settled().await;
        shows(&one, &ada, &["Analytical Engine"]).await;

        let path = format!("{}{drink}/", ada.favorites);
        two.ask(Method::DELETE, &path, Some(&ada.token), None).await.expect(204);
        shows(&one, &ada, &[]).await;
        mesh.settled().await;
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn added_on_both_sides_of_a_cut_it_is_one_favourite() {
    let mesh = Mesh::with(2).await;
    let (one, two) = (mesh.gateway(&[1]).await, mesh.gateway(&[2]).await);
    let ada = customer(&one, "ada").await;
    let (both, only) = (own_drink(&one, &ada, "Both").await, own_drink(&one, &ada, "Only here").await);
    mesh.settled().await;
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        mesh.cut(a, b);
    }
    one.post(&ada.favorites, Some(&ada.token), json!({"drink_id": both})).await.expect(201);
    one.post(&ada.favorites, Some(&ada.token), json!({"drink_id": only})).await.expect(201);
    two.post(&ada.favorites, Some(&ada.token), json!({"drink_id": both})).await.expect(201);
    // Removed here after it was added there: the later wins.
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        mesh.join(a, b);
    }
    mesh.settled().await;
    shows(&one, &ada, &["Both", "Only here"]).await;
    shows(&two, &ada, &["Both", "Only here"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn favourites_are_ones_own() {
    let mesh = Mesh::with(1).await;
    let gateway = mesh.gateway(&[1]).await;
    let (ada, eve) = (customer(&gateway, "ada").await, customer(&gateway, "eve").await);
    let drink = own_drink(&gateway, &ada, "Hers").await;
    let add = json!({"drink_id": drink});
    gateway.post(&ada.favorites, Some(&eve.token), add.clone()).await.expect(403);
    assert_eq!(gateway.get(&ada.favorites, Some(&eve.token)).await.status, 403);
    assert_eq!(gateway.post(&ada.favorites, None, add).await.status, 401);
    let none = json!({"drink_id": 999_901_000});
    gateway.post(&ada.favorites, Some(&ada.token), none).await.expect(404);
}
