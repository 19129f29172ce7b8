//! Customers' drinks: whose they are, who sees them, and how they follow their maker.

use std::time::Duration;

use codepop_proto::{
    accounts::{
        GetProfileRequest, LogInRequest, LogOutRequest, accounts_service_client::AccountsServiceClient as Accounts,
    },
    catalog::{CreateDrinkRequest, Drink, GetDrinkRequest, catalog_service_client::CatalogServiceClient as Catalog},
};
use codepop_tests::harness::{Builder, Mesh, PASSWORD, Phone, Spec, eventually, store};
use reqwest::Method;
use serde_json::json;
use tonic::{Code, Request, Status, metadata::MetadataMap};

/// Long enough for any machine; only a fault takes it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A call as a gateway makes it: `header` is a token that the client sent, `cookie` one that it keeps.
fn call<T>(message: T, header: Option<&str>, cookie: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = header {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    if let Some(token) = cookie {
        request.metadata_mut().insert("x-codepop-session", token.parse().unwrap());
    }
    request
}

/// The session that an answer tells of.
fn told(metadata: &MetadataMap) -> Option<String> {
    metadata.get("x-codepop-session").map(|value| value.to_str().unwrap().to_owned())
}

/// Makes a drink at a node; returns it with the session that the answer tells of.
async fn make(mesh: &Mesh, node: usize, cookie: Option<&str>) -> (Drink, Option<String>) {
    let drink = CreateDrinkRequest {
        name: "Drink in User Cart".to_owned(),
        soda_used: vec!["Sprite".to_owned()],
        syrups_used: vec!["Cherry".to_owned()],
        user_created: Some(true),
        ..CreateDrinkRequest::default()
    };
    let made = Catalog::new(mesh.channel(node).await).create_drink(call(drink, None, cookie)).await.unwrap();
    let session = told(made.metadata());
    (made.into_inner().drink.unwrap(), session)
}

async fn get(mesh: &Mesh, node: usize, drink: i64, cookie: Option<&str>) -> Result<Drink, Status> {
    let request = call(GetDrinkRequest { drink_id: drink }, None, cookie);
    Catalog::new(mesh.channel(node).await).get_drink(request).await.map(|answer| answer.into_inner().drink.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guests_session_begins_with_the_first_drink_and_lasts_past_the_log_in() {
    let mesh = Mesh::with(1).await;
    let (drink, session) = make(&mesh, 1, None).await;
    let guest = session.expect("a session began");
    assert_eq!(drink.price, 2.3, "by its recipe");
    let (other, again) = make(&mesh, 1, Some(&guest)).await;
    assert_eq!(again, None, "the session goes on");
    let (_, stranger) = make(&mesh, 1, Some("v4.public.none")).await;
    let stranger = stranger.expect("a bad cookie is none");
    for id in [drink.drink_id, other.drink_id] {
        assert!(get(&mesh, 1, id, Some(&guest)).await.is_ok());
        for nobody in [None, Some(stranger.as_str())] {
            assert_eq!(get(&mesh, 1, id, nobody).await.unwrap_err().code(), Code::NotFound);
        }
    }

    // A guest is no user; a bad header is refused where a bad cookie is not.
    let mut accounts = Accounts::new(mesh.channel(1).await);
    for (header, cookie) in [(None, Some(guest.as_str())), (Some(guest.as_str()), None), (Some("old"), None)] {
        let refused = accounts.get_profile(call(GetProfileRequest {}, header, cookie)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    let listed = codepop_proto::catalog::ListDrinksRequest {};
    let refused = Catalog::new(mesh.channel(1).await).list_drinks(call(listed, Some("old"), None)).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);

    mesh.sign_up(1, "ada").await;
    let log_in = LogInRequest { username: "ada".to_owned(), password: PASSWORD.to_owned() };
    let logged_in = accounts.log_in(call(log_in, None, Some(&guest))).await.unwrap();
    let token = logged_in.get_ref().token.clone();
    assert_eq!(told(logged_in.metadata()), Some(token.clone()));
    assert!(get(&mesh, 1, drink.drink_id, Some(&token)).await.is_ok(), "the cart survives the log-in");
    // Any call with a good header is to make the cookie.
    let profile = accounts.get_profile(call(GetProfileRequest {}, Some(&token), None)).await.unwrap();
    assert_eq!(told(profile.metadata()), Some(token.clone()));
    for header in [Some(token.as_str()), Some(token.as_str()), Some("old"), None] {
        let left = accounts.log_out(call(LogOutRequest {}, header, None)).await.unwrap();
        assert_eq!(told(left.metadata()).as_deref(), Some(""), "always friendly, and the cookie goes");
    }
    assert_eq!(get(&mesh, 1, drink.drink_id, Some(&token)).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drinks_follow_their_maker_to_another_region_also_without_the_store_of_their_birth() {
    let far = Spec { region: "D", ..store(2, vec![0]) };
    let hub = Spec { name: "hub".to_owned(), kind: "SUPPLY_HUB", region: "C", place: (41.74, -111.83), seeds: vec![] };
    let mut mesh = Builder::of(vec![hub, store(1, vec![0]), far]).start().await;
    let (drink, session) = make(&mesh, 1, None).await;
    let guest = session.unwrap();
    assert_eq!(get(&mesh, 2, drink.drink_id, Some(&guest)).await.unwrap(), drink);
    let (_, stranger) = make(&mesh, 2, None).await;
    assert_eq!(get(&mesh, 2, drink.drink_id, stranger.as_deref()).await.unwrap_err().code(), Code::NotFound);

    mesh.settled().await;
    mesh.kill9(1);
    eventually(PATIENCE, "a hub of the region has the drink", async || {
        get(&mesh, 2, drink.drink_id, Some(&guest)).await.map(drop).map_err(|status| status.to_string())
    })
    .await;
    assert_eq!(get(&mesh, 2, drink.drink_id + 100_000, Some(&guest)).await.unwrap_err().code(), Code::NotFound);
}

/// The cart shows what the order costs: also when a drink of the catalogue gets dearer while its copy is in the cart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_is_shown_with_what_it_costs_now() {
    let (mesh, gateway, admin) = Mesh::open_shop(1).await;
    let float = json!({"Name": "Coke Float", "SodaUsed": ["Coke"], "SyrupsUsed": ["Vanilla"], "AddIns": [],
        "Price": 5.99, "User_Created": false});
    let number = mesh.publish(&gateway, &admin, float.clone()).await;
    mesh.settled().await;
    let phone = Phone::new(gateway.address());
    let mut copy = float.clone();
    copy["User_Created"] = json!(true);
    let cart = [phone.post("/backend/drinks/", copy).await.expect(201)["DrinkID"].clone()];
    let mut dearer = float;
    dearer["Price"] = json!(6.5);
    gateway.ask(Method::PUT, &format!("/backend/drinks/{number}/"), Some(&admin), Some(dearer)).await.expect(200);
    mesh.settled().await;
    assert_eq!(phone.get(&format!("/backend/drinks/{}/", cart[0])).await.expect(200)["Price"], 6.5);
    assert_eq!(phone.buy(&cart).await.expect(201)["TotalAmount"], 6.5);
}
