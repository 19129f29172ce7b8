//! `Idempotency-Key` through the gateway: the same request again has one effect and one answer, also when the power was cut
//! between the two; nobody else gets at it.

use codepop_tests::harness::{Answer, Backend, Builder, Mesh, Phone, SPREAD, check, eventually};
use serde_json::{Value, json};

const DRINKS: &str = "/backend/drinks/";
const INTENTS: &str = "/backend/create-payment-intent/";
const ORDERS: &str = "/backend/orders/";

fn drink(name: &str) -> Value {
    json!({"Name": name, "SodaUsed": ["Sprite"], "SyrupsUsed": ["Peach"], "AddIns": [], "Price": 2.0,
        "User_Created": true, "Size": "24oz", "Ice": "No Ice"})
}

/// Makes each of the three things with a key of its own. Answers with path, key, body and answer of each.
async fn make_all(phone: &Phone) -> Vec<(&'static str, &'static str, Value, Value)> {
    let body = drink("Mine");
    let made = phone.post_once(DRINKS, "the-drink", body.clone()).await.expect(201);
    let mut all = vec![(DRINKS, "the-drink", body, made.clone())];
    let body = json!({"amount": 2.3});
    let intent = phone.post_once(INTENTS, "the-money", body.clone()).await.expect(200);
    all.push((INTENTS, "the-money", body, intent.clone()));
    let body = phone.order(&[made["DrinkID"].clone()], &intent["paymentIntent"]);
    let order = phone.post_once(ORDERS, "the-order", body.clone()).await.expect(201);
    all.push((ORDERS, "the-order", body, order));
    all
}

fn is_reused(answer: &Answer) {
    assert_eq!((answer.status, &answer.json["code"]), (422, &json!("idempotency_key_reused")), "{}", answer.json);
}

on_both!(
    /// One effect and one answer, before and after a power cut; with another body it is refused.
    a_key_makes_one_of_it,
    async |backend: Backend| {
        let (mut mesh, gateway, admin) = Mesh::open_shop_of(Builder::with(1).on(backend), 1, 100).await;
        let phone = Phone::new(gateway.address());
        let all = make_all(&phone).await;
        for is_after_power_cut in [false, true] {
            if is_after_power_cut {
                mesh.kill9(1);
                mesh.start(1).await;
            }
            for (path, key, body, made) in &all {
                let again: Value = eventually(SPREAD, "the answer is there again", async || {
                    let answer = phone.post_once(path, key, body.clone()).await;
                    check([200, 201].contains(&answer.status), || format!("{}: {}", answer.status, answer.json))?;
                    Ok(answer.json)
                })
                .await;
                assert_eq!(again, *made, "{path}");
            }
            is_reused(&phone.post_once(DRINKS, "the-drink", drink("Another")).await);
            is_reused(&phone.post_once(INTENTS, "the-money", json!({"amount": 9.9})).await);
            let mut other = all[2].2.clone();
            other["Drinks"] = json!([all[0].3["DrinkID"], all[0].3["DrinkID"]]);
            is_reused(&phone.post_once(ORDERS, "the-order", other).await);
        }
        assert_eq!(phone.get(ORDERS).await.expect(200).as_array().unwrap().len(), 1);
        assert_eq!(mesh.stock(&gateway, &admin, "Peach").await, 99);
        let without = phone.post(DRINKS, drink("Mine")).await.expect(201);
        assert_ne!(without["DrinkID"], all[0].3["DrinkID"], "without the key it is another one");
    }
);

on_both!(
    /// The same key and body of somebody else are their own request.
    a_key_is_ones_own,
    async |backend: Backend| {
        let (_mesh, gateway, _admin) = Mesh::open_shop_of(Builder::with(1).on(backend), 1, 100).await;
        let (ada, eve) = (Phone::new(gateway.address()), Phone::new(gateway.address()));
        let (of_ada, of_eve) = (make_all(&ada).await, make_all(&eve).await);
        for (place, id) in ["DrinkID", "paymentIntent", "OrderID"].into_iter().enumerate() {
            assert_ne!(of_ada[place].3[id], of_eve[place].3[id], "{id}");
        }
        // Neither does the key open what it made: the order with ada's drink is not eve's to repeat.
        let (path, key, body, _) = &of_ada[2];
        is_reused(&eve.post_once(path, key, body.clone()).await);
        assert_eq!(eve.get(ORDERS).await.expect(200).as_array().unwrap().len(), 1);
    }
);
