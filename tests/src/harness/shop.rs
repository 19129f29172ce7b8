//! A store ready to sell: the chain's first super admin, a catalogue, stock on the shelves, and staff.

use std::{fs, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use super::{Builder, Gateway, Mesh, Phone, eventually, people::PASSWORD, programs};

/// Time for something written at one node to be seen at another, on a busy machine.
pub const SPREAD: Duration = Duration::from_secs(20);

const ADMIN_PASSWORD: &str = "an admin's long password";

/// What the shelves hold, by type.
const SHELVES: &[(&str, &[&str])] = &[
    ("Soda", &["Sprite", "Coke", "Dr. Pepper", "Mtn. Dew", "Rootbeer", "Lemonade"]),
    ("Syrup", &["Vanilla", "Peach", "Mango", "Coconut", "Blue Raspberry", "Pumpkin Spice", "Salted Caramel"]),
    ("Add In", &["Cream", "Whip", "Lime Wedge"]),
    ("Physical", &["Small Cups", "Med Cups", "Large Cups", "Small Lids", "Large Lids", "Straws"]),
];

/// How many items a store's shelves hold once they are filled.
pub fn shelf_items() -> usize {
    SHELVES.iter().map(|(_, names)| names.len()).sum()
}

impl Mesh {
    /// The first super admin's token, made with the operator's key and logged in at this gateway.
    ///
    /// # Panics
    /// The admin cannot log in.
    pub async fn super_admin(&self, gateway: &Gateway) -> String {
        let password = self.root().join("password");
        fs::write(&password, format!("{ADMIN_PASSWORD}\n")).unwrap();
        let hub = format!("https://{}", self.nodes[0].address());
        let (pki, password) = (self.pki().to_str().unwrap(), password.to_str().unwrap());
        let args = ["grant", "--node", &hub, "--pki", pki, "--username", "boss", "--password-file", password];
        programs::run("codepop-node", self.root(), &args);
        let body = json!({"username": "boss", "password": ADMIN_PASSWORD});
        let answer = eventually(SPREAD, "the admin can log in", async || {
            let answer = gateway.post("/backend/auth/login/", None, body.clone()).await;
            if answer.status == 200 { Ok(answer.json) } else { Err(format!("{}: {}", answer.status, answer.json)) }
        })
        .await;
        assert_eq!((answer["is_admin"].as_bool(), answer["user_role"].as_str()), (Some(true), Some("SUPER_ADMIN")));
        answer["token"].as_str().unwrap().to_owned()
    }

    /// The path of a node's store.
    pub fn store_path(&self, node: usize) -> String {
        format!("/backend/stores/{}", self.nodes[node].id.uuid)
    }

    /// Sets how many units of an item a node's store has.
    pub async fn set_stock(&self, gateway: &Gateway, admin: &str, node: usize, (kind, name): (&str, &str), units: i32) {
        let put = format!("{}/inventory/", self.store_path(node));
        let item = json!({"ItemName": name, "ItemType": kind, "Quantity": units, "ThresholdLevel": 2});
        eventually(SPREAD, "stock is set", async || {
            let answer = gateway.ask(Method::PUT, &put, Some(admin), Some(item.clone())).await;
            if answer.status == 200 { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.json)) }
        })
        .await;
    }

    /// Fills the shelves of a node's store with so many units of everything.
    pub async fn fill_shelves(&self, gateway: &Gateway, admin: &str, node: usize, units: i32) {
        for (kind, names) in SHELVES {
            for name in *names {
                self.set_stock(gateway, admin, node, (kind, name), units).await;
            }
        }
    }

    /// How many units of an item a node's store has, as its staff sees it.
    pub async fn stock(&self, gateway: &Gateway, admin: &str, name: &str) -> i64 {
        let report = gateway.get("/backend/inventory/report/", Some(admin)).await.expect(200);
        let items = report["inventory_items"].as_array().unwrap();
        let item = items.iter().find(|item| item["ItemName"] == name);
        item.unwrap_or_else(|| panic!("no {name} in {report}"))["Quantity"].as_i64().unwrap()
    }

    /// Opens a node's store round the clock, so that a test does not depend on the time of day.
    pub async fn open_always(&self, gateway: &Gateway, admin: &str, node: usize) {
        let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let hours: serde_json::Map<String, Value> =
            days.iter().map(|day| ((*day).to_owned(), json!({"open": "00:00", "close": "24:00"}))).collect();
        let body = json!({"hours_of_operation": hours});
        let path = format!("{}/", self.store_path(node));
        eventually(SPREAD, "the hours are set", async || {
            let answer = gateway.ask(Method::PATCH, &path, Some(admin), Some(body.clone())).await;
            if answer.status == 200 { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.json)) }
        })
        .await;
    }

    /// One hub and so many stores, each open round the clock with full shelves; a gateway at the first of them, and the
    /// super admin's token.
    pub async fn open_shop(stores: usize) -> (Self, Gateway, String) {
        Self::open_shop_of(Builder::with(stores), stores, 100).await
    }

    /// The same with a mesh made otherwise, and so many units of everything on the shelves.
    pub async fn open_shop_of(builder: Builder, stores: usize, units: i32) -> (Self, Gateway, String) {
        let mesh = builder.start().await;
        let nodes: Vec<usize> = (1..=stores).chain([0]).collect();
        let gateway = mesh.gateway(&nodes).await;
        let admin = mesh.super_admin(&gateway).await;
        mesh.settled().await;
        for store in 1..=stores {
            mesh.open_always(&gateway, &admin, store).await;
            mesh.fill_shelves(&gateway, &admin, store, units).await;
        }
        (mesh, gateway, admin)
    }

    /// Puts a drink into the catalogue; answers with its number.
    pub async fn publish(&self, gateway: &Gateway, admin: &str, drink: Value) -> i64 {
        let made = gateway.post("/backend/drinks/", Some(admin), drink).await.expect(201);
        made["DrinkID"].as_i64().unwrap()
    }

    /// Signs somebody up, gives the role that the app calls so (`staff`, `admin`) at the gateway's store, and logs the
    /// phone in.
    pub async fn staff(&self, gateway: &Gateway, admin: &str, username: &str, role: &str) -> Phone {
        let phone = Phone::new(gateway.address());
        let body =
            json!({"first_name": username, "username": username, "password": PASSWORD, "email": "a@example.org"});
        let user = phone.post("/backend/auth/register/", body).await.expect(201)["user_id"].clone();
        let edits = json!({"edits": {"username": "unchanged", "firstName": "unchanged", "lastName": "unchanged",
            "password": "unchanged", "role": role}});
        gateway.post(&format!("/backend/users/edit/{user}/"), Some(admin), edits).await.expect(200);
        phone.log_in(username, PASSWORD).await.expect(200);
        phone
    }
}
