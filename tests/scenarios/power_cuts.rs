//! Orders and refunds under load and with the power cut in the middle of them: nothing twice, nothing by halves, nothing lost.

use codepop_tests::harness::{Backend, Builder, Gateway, Mesh, PASSWORD, Phone, SPREAD, check, eventually};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

on_both!(
    /// 18: fifty customers want the last ten units of a syrup: ten get them.
    the_last_ten_units_make_ten_orders,
    async |backend: Backend| {
        let (mesh, gateway, admin) = Mesh::open_shop_of(Builder::with(1).on(backend), 1, 100).await;
        mesh.set_stock(&gateway, &admin, 1, ("Syrup", "Coconut"), 10).await;
        let mut customers = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let address = gateway.address();
            customers.spawn(async move {
                let phone = Phone::new(address);
                let drink = phone.design("Sprite", &["Coconut"], &[]).await;
                let answer = phone.buy(&[drink]).await;
                if answer.status != 201 {
                    assert_eq!((answer.status, &answer.json["code"]), (409, &json!("insufficient_items")));
                    assert!(answer.json.to_string().contains("Coconut"), "{}", answer.json);
                }
                answer.status
            });
        }
        let statuses = customers.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 10, "{statuses:?}");
        assert_eq!(mesh.stock(&gateway, &admin, "Coconut").await, 0);
        let report = gateway.get("/backend/inventory/report/", Some(&admin)).await.expect(200);
        let items = report["inventory_items"].as_array().unwrap();
        for item in items.iter().filter(|item| ["Coconut", "Sprite"].contains(&item["ItemName"].as_str().unwrap())) {
            let path = format!("/backend/inventory/{}/movements/?limit=1000", item["InventoryID"]);
            let movements = gateway.get(&path, Some(&admin)).await.expect(200);
            let sum: i64 = movements.as_array().unwrap().iter().map(|m| m["change"].as_i64().unwrap()).sum();
            assert_eq!(sum, item["Quantity"].as_i64().unwrap(), "{item}: {movements}");
        }
        // Who got nothing has the money let go: it is asked for in the payments' own tests.
    }
);

on_both!(
    /// Kill -9 in the middle of orders: what was answered is there, once; nothing is there by halves.
    a_power_cut_leaves_no_half_order,
    async |backend: Backend| {
        let (mut mesh, gateway, admin) = Mesh::open_shop_of(Builder::with(1).on(backend), 1, 100).await;
        let phones: Vec<Phone> = (0..4).map(|_| Phone::new(gateway.address())).collect();
        let mut answered = Vec::new();
        for round in 0..3 {
            let buying: Vec<_> = phones
                .iter()
                .map(|phone| async move {
                    let drink = phone.design("Sprite", &["Peach"], &[]).await;
                    let total = phone.cart_total(std::slice::from_ref(&drink)).await;
                    let payment = phone.prepare_payment(total).await;
                    (phone, phone.order(&[drink], &payment))
                })
                .collect();
            let prepared = futures::future::join_all(buying).await;
            let placing = futures::future::join_all(
                prepared.iter().map(|(phone, order)| phone.post("/backend/orders/", order.clone())),
            );
            let kill = async {
                tokio::time::sleep(std::time::Duration::from_millis(5 * round)).await;
                mesh.kill9(1);
            };
            let (answers, ()) = futures::future::join(placing, kill).await;
            mesh.start(1).await;
            for ((phone, order), answer) in prepared.iter().zip(answers) {
                // The phone tries again with the same payment until it is told what became of it.
                let settled = eventually(SPREAD, "the order is there", async || {
                    let again = phone.post("/backend/orders/", order.clone()).await;
                    check([200, 201].contains(&again.status), || format!("{}: {}", again.status, again.json))?;
                    Ok(again.json)
                })
                .await;
                if [200, 201].contains(&answer.status) {
                    assert_eq!(answer.json["OrderID"], settled["OrderID"], "an answered order stays");
                }
                answered.push(settled["OrderID"].as_i64().unwrap());
            }
        }
        answered.sort_unstable();
        answered.dedup();
        assert_eq!(answered.len(), 12);
        let orders = gateway.get("/backend/orders/", Some(&admin)).await.expect(200);
        assert_eq!(orders.as_array().unwrap().len(), 12);
        assert_eq!(mesh.stock(&gateway, &admin, "Peach").await, 88);
        let manager = mesh.staff(&gateway, &admin, "mia", "staff").await;
        let totals = manager.get("/backend/revenues/totals/").await.expect(200);
        assert_eq!((&totals["sales"], &totals["sales_amount"]), (&json!(12), &json!(27.6)));
    }
);

/// A customer's order, and the way its money comes back.
struct Undoing {
    phone: Phone,
    order: Value,
    by_chat: bool,
}

impl Undoing {
    async fn of(gateway: &Gateway, number: usize) -> Self {
        let phone = Phone::new(gateway.address());
        let by_chat = number.is_multiple_of(2);
        if by_chat {
            // The chat helps all guests of one network three times only.
            let name = format!("customer{number}");
            let sign_up = json!({"first_name": name, "username": name, "password": PASSWORD});
            phone.post("/backend/auth/register/", sign_up).await.expect(201);
            phone.log_in(&name, PASSWORD).await.expect(200);
        }
        let drink = [phone.design("Sprite", &["Peach"], &[]).await];
        let payment = phone.prepare_payment(phone.cart_total(&drink).await).await;
        let mut order = phone.order(&drink, &payment);
        order["await_arrival"] = json!(!by_chat);
        let order = phone.post("/backend/orders/", order).await.expect(201);
        assert_eq!(order["OrderStatus"], if by_chat { "processing" } else { "pending" });
        Self { phone, order: order["OrderID"].clone(), by_chat }
    }

    /// Asks again and again, as people do who get no answer, until the money is back.
    async fn carry_out(&self) {
        let path = format!("/backend/orders/{}/", self.order);
        eventually(SPREAD * 3, "the money is back", async || {
            let said = if self.by_chat {
                match self.phone.ask_for_refund(&self.order).await {
                    Ok(state) => state.to_string(),
                    Err(answer) => format!("{}: {}", answer.status, answer.json),
                }
            } else {
                let answer = self.phone.call(Method::DELETE, &path, false, None).await;
                format!("{}: {}", answer.status, answer.json)
            };
            let order = self.phone.get(&path).await;
            check(order.json["PaymentStatus"] == "refunded", || format!("{said}; {}", order.json))
        })
        .await;
    }
}

on_both!(
    /// Kill -9 in the middle of refunds: every one is done, once, and the provider's books say the same as the revenue.
    a_power_cut_gives_no_money_back_twice,
    async |backend: Backend| {
        const ORDERS: usize = 12;
        let (mut mesh, gateway, admin) = Mesh::open_shop_of(Builder::with(1).on(backend), 1, 100).await;
        let manager = mesh.staff(&gateway, &admin, "mia", "staff").await;
        let undoings = join_all((0..ORDERS).map(|number| Undoing::of(&gateway, number))).await;
        let payment_of = |undoing: &Undoing| format!("/backend/orders/{}/payment/", undoing.order);
        for undoing in &undoings {
            eventually(SPREAD, "the money is taken", async || {
                let payment = manager.get(&payment_of(undoing)).await.json;
                check(payment["state"] == "captured", || payment.to_string())
            })
            .await;
        }
        let cuts = async {
            for round in 0..5_u64 {
                // Moments that differ from run to run; whatever they are, the outcome is the same.
                let moment = u64::from(uuid::Uuid::new_v4().as_bytes()[0]) + 40 * round;
                tokio::time::sleep(std::time::Duration::from_millis(moment)).await;
                mesh.kill9(1);
                mesh.start(1).await;
            }
        };
        futures::future::join(join_all(undoings.iter().map(Undoing::carry_out)), cuts).await;
        eventually(SPREAD, "the store is back after the last cut", async || {
            let answer = manager.get("/backend/revenues/totals/").await;
            check(answer.status == 200, || format!("{}: {}", answer.status, answer.json))
        })
        .await;
        for undoing in &undoings {
            let payment = manager.get(&payment_of(undoing)).await.expect(200);
            assert_eq!((&payment["state"], &payment["amount"]), (&json!("captured"), &json!(2.3)), "{payment}");
            assert_eq!((&payment["refunded"], &payment["refunding"]), (&json!(2.3), &json!(0.0)), "{payment}");
        }
        let totals = manager.get("/backend/revenues/totals/").await.expect(200);
        assert_eq!((&totals["sales"], &totals["refunds"]), (&json!(ORDERS), &json!(ORDERS)), "{totals}");
        assert_eq!((&totals["refunds_amount"], &totals["net_amount"]), (&json!(27.6), &json!(0.0)), "{totals}");
        // Asked once more, nothing more comes back. What was cancelled is on the shelf again; what is being made is not.
        join_all(undoings.iter().map(Undoing::carry_out)).await;
        assert_eq!(manager.get("/backend/revenues/totals/").await.expect(200), totals);
        let orders = manager.get("/backend/orders/").await.expect(200);
        let begun = orders.as_array().unwrap().iter().filter(|order| order["OrderStatus"] != "cancelled").count();
        assert_eq!(mesh.stock(&gateway, &admin, "Peach").await, 100 - i64::try_from(begun).unwrap(), "{orders}");
    }
);
