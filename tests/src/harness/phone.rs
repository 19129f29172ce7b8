//! The app in a customer's hand, as far as a server can see it: its calls, its bodies with all their oddities, what it
//! keeps between screens, and the cookie jar that React Native's network stack brings along.

use std::{collections::BTreeMap, net::SocketAddr, sync::Mutex};

use reqwest::{Client, Method, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::gateway::{Answer, client, read};

/// A phone with the app on it.
#[derive(Debug)]
pub struct Phone {
    gateway: SocketAddr,
    client: Client,
    cookies: Mutex<BTreeMap<String, String>>,
    storage: Mutex<BTreeMap<&'static str, String>>,
}

impl Phone {
    /// A phone on which the app was just installed.
    pub fn new(gateway: SocketAddr) -> Self {
        Self { gateway, client: client(), cookies: Mutex::default(), storage: Mutex::default() }
    }

    /// The app is pointed at another gateway (a change of network, the first one gone): what the phone keeps stays.
    pub fn moved_to(self, gateway: SocketAddr) -> Self {
        Self { gateway, ..self }
    }

    /// What the app keeps under a name (`userToken`, `userId`, `orderNum`), if anything.
    pub fn kept(&self, name: &str) -> Option<String> {
        self.storage.lock().unwrap().get(name).cloned()
    }

    fn keep(&self, name: &'static str, value: String) {
        self.storage.lock().unwrap().insert(name, value);
    }

    /// Keeps a token of the old server, as a phone that was logged in there has it.
    pub fn was_logged_in(&self, token: &str, user: i64) {
        self.keep("userToken", token.to_owned());
        self.keep("userId", user.to_string());
    }

    /// A cookie of the jar.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(name).cloned()
    }

    /// Puts a cookie into the jar.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    /// A call as the app makes it: the content type on every one of them, the token on few.
    pub async fn call(&self, method: Method, path: &str, with_token: bool, body: Option<Value>) -> Answer {
        self.try_call(method, path, with_token, &[], body).await.unwrap()
    }

    /// `POST` with an `Idempotency-Key`, as a careful client sends it.
    pub async fn post_once(&self, path: &str, key: &str, body: Value) -> Answer {
        self.try_call(Method::POST, path, false, &[("idempotency-key", key)], Some(body)).await.unwrap()
    }

    /// A call with headers of its own beside the app's.
    ///
    /// # Errors
    /// Nothing came back.
    pub async fn try_call(
        &self,
        method: Method,
        path: &str,
        with_token: bool,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> reqwest::Result<Answer> {
        let mut request = self.client.request(method, format!("http://{}{path}", self.gateway));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request = request.header(CONTENT_TYPE, "application/json");
        if with_token {
            // The app sends the word null when nobody is logged in.
            let token = self.kept("userToken").unwrap_or_else(|| "null".to_owned());
            request = request.header("authorization", format!("Token {token}"));
        }
        let jar =
            self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        if !jar.is_empty() {
            request = request.header("cookie", jar.join("; "));
        }
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = read(request.send().await?).await;
        self.take_cookies(&answer);
        Ok(answer)
    }

    fn take_cookies(&self, answer: &Answer) {
        let mut jar = self.cookies.lock().unwrap();
        for cookie in answer.headers.get_all("set-cookie") {
            let text = cookie.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            if text.contains("Max-Age=0") || value.is_empty() {
                jar.remove(name.trim());
            } else {
                jar.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }

    /// `GET` without a token.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, false, None).await
    }

    /// `POST` without a token.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, false, Some(body)).await
    }

    /// Call 1: the log-in screen.
    pub async fn log_in(&self, username: &str, password: &str) -> Answer {
        let body = json!({"username": username, "password": password});
        let answer = self.post("/backend/auth/login/", body).await;
        if answer.status == 200 {
            self.keep("userToken", answer.json["token"].as_str().unwrap().to_owned());
            self.keep("userId", answer.json["user_id"].to_string());
            self.keep("first_name", answer.json["first_name"].as_str().unwrap().to_owned());
        }
        answer
    }

    /// Call 3: the log-out button, which forgets everything on 200 alone.
    pub async fn log_out(&self) -> Answer {
        let answer = self.call(Method::POST, "/backend/auth/logout/", true, None).await;
        if answer.status == 200 {
            self.storage.lock().unwrap().clear();
        }
        answer
    }

    /// Call 6: the drink designer's button. Answers with the drink's number.
    pub async fn design(&self, soda: &str, syrups: &[&str], add_ins: &[&str]) -> Value {
        let body = json!({"Name": "Drink in User Cart", "SodaUsed": [soda], "SyrupsUsed": syrups, "AddIns": add_ins,
            "Price": 2.0, "User_Created": true, "Size": "24oz", "Ice": "No Ice"});
        self.post("/backend/drinks/", body).await.expect(201)["DrinkID"].clone()
    }

    /// Call 9 for every drink of the cart, and the sum that the app shows: its own pricing where the price is exactly 2.
    pub async fn cart_total(&self, drinks: &[Value]) -> f64 {
        let mut total = 0.0;
        for drink in drinks {
            let drink = self.get(&format!("/backend/drinks/{drink}/")).await.expect(200);
            for shown in ["Size", "SodaUsed", "Ice"] {
                assert!(!drink[shown].is_null(), "the cart skips a drink without {shown}: {drink}");
            }
            let extras = drink["SyrupsUsed"].as_array().unwrap().len() + drink["AddIns"].as_array().unwrap().len();
            let price = drink["Price"].as_f64().unwrap();
            #[allow(clippy::cast_precision_loss, reason = "a handful")]
            let extra = 0.3 * extras as f64;
            #[allow(clippy::float_cmp, reason = "the app compares so")]
            let plain = price == 2.0;
            total += if plain { price + extra } else { price };
        }
        total
    }

    /// Call 14: prepares the payment; answers with the client secret, which the app keeps as `StripeID`.
    pub async fn prepare_payment(&self, dollars: f64) -> Value {
        let answer = self.post("/backend/create-payment-intent/", json!({"amount": dollars})).await.expect(200);
        for needed in ["paymentIntent", "ephemeralKey", "customer"] {
            assert!(answer[needed].is_string(), "{needed}: {answer}");
        }
        answer["paymentIntent"].clone()
    }

    /// Call 15 as the app words it.
    pub fn order(&self, drinks: &[Value], payment: &Value) -> Value {
        let user = self.kept("userId").map_or(Value::Null, Value::String);
        json!({"UserID": user, "Drinks": drinks, "OrderStatus": "processing", "PaymentStatus": "paid",
            "StripeID": payment})
    }

    /// Calls 9, 14 and 15: from the cart to the order.
    pub async fn buy(&self, drinks: &[Value]) -> Answer {
        let total = self.cart_total(drinks).await;
        let payment = self.prepare_payment(total).await;
        let answer = self.post("/backend/orders/", self.order(drinks, &payment)).await;
        if answer.status == 201 {
            self.keep("orderNum", answer.json["OrderID"].to_string());
        }
        answer
    }
}
