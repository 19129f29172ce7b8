//! A shop under load, through the gateway: catalogue reads, orders with durable commits, log-ins.

use std::net::SocketAddr;

use reqwest::{Client, Response, header::SET_COOKIE};
use serde_json::{Value, json};

use super::http::{Load, load_once};
use crate::harness::{Gateway, Mesh, PASSWORD};

/// Customers that log in again and again.
const ACCOUNTS: usize = 16;

/// Requests under way while things are prepared.
const PREPARED_AT_A_TIME: usize = 16;

/// So many orders of one small drink, each by a guest of its own whose payment was prepared before.
pub async fn orders(gateway: &Gateway, count: usize, connections: usize) -> Load {
    let address = gateway.address();
    let mut prepared = Vec::with_capacity(count);
    let mut rest = count;
    while rest > 0 {
        let some = rest.min(PREPARED_AT_A_TIME);
        prepared.extend(futures::future::join_all((0..some).map(|_| prepare(address))).await);
        rest -= some;
    }
    load_once(address, prepared, connections, 201).await
}

/// A guest with a drink and a payment; answers with the request for the order.
async fn prepare(address: SocketAddr) -> String {
    let client = Client::builder().no_proxy().build().unwrap();
    let drink = json!({"Name": "Drink in User Cart", "SodaUsed": ["Sprite"], "SyrupsUsed": ["Vanilla"], "AddIns": [],
        "Price": 2.0, "User_Created": true, "Size": "24oz", "Ice": "Regular"});
    let made = client.post(format!("http://{address}/backend/drinks/")).json(&drink).send().await.unwrap();
    let cookie = session(&made);
    let drink: Value = made.json().await.unwrap();
    let payment: Value = client
        .post(format!("http://{address}/backend/create-payment-intent/"))
        .header("cookie", &cookie)
        .json(&json!({"amount": drink["Price"]}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let order = json!({"UserID": null, "Drinks": [drink["DrinkID"]], "OrderStatus": "processing",
        "PaymentStatus": "paid", "StripeID": payment["paymentIntent"]});
    post(address, "/backend/orders/", &cookie, &order)
}

fn session(answer: &Response) -> String {
    let cookies = answer.headers().get_all(SET_COOKIE).iter();
    let mut texts = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
    texts.find(|cookie| cookie.starts_with("codepop_session=")).expect("the gateway sets the session's cookie")
}

fn post(address: SocketAddr, path: &str, cookie: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nCookie: {cookie}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Signs up those who log in later.
pub async fn sign_up(mesh: &Mesh, node: usize) {
    for number in 0..ACCOUNTS {
        mesh.sign_up(node, &format!("customer{number}")).await;
    }
}

/// So many log-ins.
pub async fn log_ins(gateway: &Gateway, count: usize, connections: usize) -> Load {
    let address = gateway.address();
    let request = |number: usize| {
        let body = json!({"username": format!("customer{}", number % ACCOUNTS), "password": PASSWORD});
        post(address, "/backend/auth/login/", "a=b", &body)
    };
    load_once(address, (0..count).map(request).collect(), connections, 200).await
}
