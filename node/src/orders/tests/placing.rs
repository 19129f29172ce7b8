//! Placing orders.

use futures::future::join_all;

use super::*;

on_both!(an_order_takes_its_money_and_its_stock, async |node: Node| {
    let shop = Shop::open(node).await;
    shop.stock("Straws", inventory::Kind::Physical, 10).await;
    let order = shop.order(user(USER), &[1, 2, 1]).await.unwrap();
    assert_eq!((order.order_id, order.user_id, order.drinks.as_slice()), (101_000, Some(USER), &[1, 2, 1][..]));
    assert_eq!((order.order_status.as_str(), order.payment_status.as_str()), ("processing", "paid"));
    assert_eq!((order.total_amount, order.store_id.as_str()), (6.6, shop.here().to_string().as_str()));
    assert!(!order.stripe_id.is_empty() && !order.stripe_id.contains("_secret_"));
    let code = order.locker_code.unwrap();
    assert!(code.len() == 5 && code.parse() == Ok(order.locker_combo.unwrap()), "{code}");
    assert!(order.ready_at.is_some());
    assert_eq!(
        (shop.stocked("Coke").await, shop.stocked("Vanilla").await, shop.stocked("Straws").await),
        (997, 998, 7)
    );
    assert_eq!(shop.in_ledger("Coke").await, 997);
});

on_both!(what_is_missing_is_named_and_nothing_is_taken, async |node: Node| {
    let shop = Shop::open(node).await;
    shop.stock("Vanilla", inventory::Kind::Syrup, 1).await;
    let refused = shop.order(user(USER), &[1, 1]).await.unwrap_err();
    assert_eq!((refused.code, refused.fields[0].0.as_str()), (Code::InsufficientItems, "Vanilla"));
    assert!(refused.detail.contains("Vanilla"), "{}", refused.detail);
    assert_eq!((shop.stocked("Coke").await, shop.stocked("Vanilla").await), (1_000, 1));
    assert!(shop.list(user(USER)).await.is_empty());
    // The same payment still pays for what is there... but not for another amount.
    let refused = shop.order_with(user(USER), &[1, 1], |new| new.drinks = vec![1]).await.unwrap_err();
    assert_eq!(refused.code, Code::PaymentRequired);
    shop.order(user(USER), &[1]).await.unwrap();
    assert_eq!(shop.stocked("Vanilla").await, 0);
});

on_both!(the_money_of_a_refused_order_is_let_go_at_once, async |node: Node| {
    let shop = Shop::open(node).await;
    shop.stock("Vanilla", inventory::Kind::Syrup, 1).await;
    let payment = shop.paid(user(USER), 460).await;
    let refused = shop.create(user(USER), wanted(user(USER), &[1, 1], payment.clone())).await.unwrap_err();
    assert_eq!(refused.code, Code::InsufficientItems);
    assert!(shop.orders.payments.check(&payment, user(USER)).await.is_err(), "it is let go");
    let again = shop.paid(user(USER), 460).await;
    assert_ne!(again, payment);
});

on_both!(fifty_customers_and_ten_units_make_ten_orders, async |node: Node| {
    let shop = Shop::open(node).await;
    shop.stock("Vanilla", inventory::Kind::Syrup, 10).await;
    let orders = join_all((1..=50).map(|number| shop.order(guest(number), &[1]))).await;
    let (placed, refused): (Vec<_>, Vec<_>) = orders.into_iter().partition(Result::is_ok);
    assert_eq!((placed.len(), refused.len()), (10, 40));
    assert!(refused.into_iter().all(|refused| refused.unwrap_err().code == Code::InsufficientItems));
    let mut numbers: Vec<i64> = placed.into_iter().map(|order| order.unwrap().order_id).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 10);
    assert_eq!((shop.stocked("Vanilla").await, shop.in_ledger("Vanilla").await), (0, 0));
    assert_eq!((shop.stocked("Coke").await, shop.in_ledger("Coke").await), (990, 990));
});

on_both!(what_is_not_paid_is_not_made, async |node: Node| {
    let shop = Shop::open(node).await;
    let refused = |payment: Option<String>| {
        let new = pb::CreateOrderRequest { stripe_id: payment, ..wanted(user(USER), &[1], String::new()) };
        let created = shop.create(user(USER), new);
        async { created.await.unwrap_err().code }
    };
    assert_eq!(refused(None).await, Code::PaymentRequired);
    assert_eq!(refused(Some("  ".into())).await, Code::PaymentRequired);
    assert_eq!(refused(Some("pi_made_up_secret_of_my_own".into())).await, Code::PaymentRequired);
    assert_eq!(refused(Some(shop.paid(user(USER), 229).await)).await, Code::PaymentRequired);
    assert_eq!(refused(Some(shop.paid(user(OTHER), 230).await)).await, Code::PaymentRequired);
    assert_eq!(shop.stocked("Coke").await, 1_000);
});

on_both!(one_payment_pays_one_order_once, async |node: Node| {
    let shop = Shop::open(node).await;
    let new = wanted(guest(1), &[1, 2], shop.paid(guest(1), 430).await);
    let both = join_all([shop.create(guest(1), new.clone()), shop.create(guest(1), new.clone())]).await;
    let both: Vec<_> = both.into_iter().map(Result::unwrap).collect();
    assert_eq!(both.iter().filter(|answer| answer.existed).count(), 1);
    let id = both[0].order.as_ref().unwrap().order_id;
    assert!(both.iter().all(|answer| answer.order.as_ref().unwrap().order_id == id));
    let again = shop.create(guest(1), pb::CreateOrderRequest { drinks: vec![2, 1], ..new.clone() }).await.unwrap();
    assert!(again.existed && again.order.unwrap().order_id == id);
    let other = shop.create(guest(1), pb::CreateOrderRequest { drinks: vec![2, 2], ..new.clone() }).await.unwrap_err();
    assert_eq!(other.code, Code::Conflict);
    assert!(shop.create(guest(2), new).await.is_err());
    assert_eq!(shop.stocked("Coke").await, 998);
});

on_both!(a_key_is_answered_alike, async |node: Node| {
    let shop = Shop::open(node).await;
    let send = async |new: &pb::CreateOrderRequest| {
        let mut request = Shop::by(user(USER), new.clone());
        request.metadata_mut().insert("idempotency-key", "one".parse().unwrap());
        answer(shop.rpc().create_order(request).await)
    };
    let new = wanted(user(USER), &[2], shop.paid(user(USER), 200).await);
    let (first, again) = (send(&new).await.unwrap(), send(&new).await.unwrap());
    assert_eq!(first, again);
    let reused = pb::CreateOrderRequest { drinks: vec![1], ..new };
    assert_eq!(send(&reused).await.unwrap_err().code, Code::KeyReused);
    assert_eq!(shop.list(user(USER)).await, [first.order.unwrap().order_id]);
});

on_both!(a_closed_store_says_why, async |node: Node| {
    let shop = Shop::open(node).await;
    let refused = async |pickup: Option<TimeDelta>| {
        let pickup = pickup.map(|time| in_time(&shop, time));
        let made = shop.order_with(user(USER), &[2], |new| new.pickup_time = pickup).await;
        made.map(|order| order.order_status).map_err(|failure| (failure.code, failure.detail))
    };
    let change = |accepting, operational| places::UpdateStoreRequest {
        is_accepting_orders: Some(accepting),
        is_operational: Some(operational),
        ..Default::default()
    };
    for (accepting, operational, why) in [(false, true, "not taking orders"), (true, false, "out of operation")] {
        shop.set_store(change(accepting, operational)).await;
        for pickup in [None, Some(TimeDelta::hours(5))] {
            let (code, detail) = refused(pickup).await.unwrap_err();
            assert!(code == Code::StoreClosed && detail.contains(why), "{detail}");
        }
    }
    shop.set_store(change(true, true)).await;
    for bad in [TimeDelta::hours(-1), TimeDelta::days(15)] {
        assert_eq!(refused(Some(bad)).await.unwrap_err().0, Code::Invalid);
    }
    // Open on the day three days ahead alone.
    let then = (shop.node.app.clock().wall() + TimeDelta::days(3)).with_timezone(&chrono_tz::America::Denver);
    let day = DAYS[chrono::Datelike::weekday(&then).num_days_from_monday() as usize].to_owned();
    let mut hours = around_the_clock();
    hours.retain(|name, _| *name == day);
    shop.set_store(places::UpdateStoreRequest {
        hours_of_operation: hours,
        time_zone: Some("America/Denver".into()),
        ..Default::default()
    })
    .await;
    let (code, detail) = refused(None).await.unwrap_err();
    assert!(code == Code::StoreClosed && detail.contains("closed now"), "{detail}");
    let (code, detail) = refused(Some(TimeDelta::days(1))).await.unwrap_err();
    assert!(code == Code::StoreClosed && detail.contains("at that time"), "{detail}");
    assert_eq!(refused(Some(TimeDelta::days(3))).await.unwrap(), "pending");
});

on_both!(nonsense_is_named, async |node: Node| {
    let shop = Shop::open(node).await;
    let refused = async |drinks: &[i64]| {
        let new = wanted(user(USER), drinks, shop.paid(user(USER), 200).await);
        let refused = shop.create(user(USER), new).await.unwrap_err();
        (refused.code, refused.fields[0].0.clone(), refused.detail)
    };
    let (code, field, detail) = refused(&[]).await;
    assert_eq!((code, field.as_str()), (Code::Invalid, "Drinks"));
    assert!(detail.contains("At least one drink must be included in the order."));
    let (code, _, detail) = refused(&[2, 999]).await;
    assert!(code == Code::Invalid && detail.contains("Invalid pk \"999\" - object does not exist."), "{detail}");
    assert_eq!(refused(&[2; 51]).await.0, Code::Invalid);
    let nobody = shop.create(Customer::default(), wanted(Customer::default(), &[2], "pi_1".into())).await;
    assert_eq!(nobody.unwrap_err().code, Code::NotAuthenticated);
});

on_both!(an_order_is_the_sessions, async |node: Node| {
    let shop = Shop::open(node).await;
    let both = Customer { user: Some(USER), guest: guest(1).guest };
    let own = shop.order(both, &[2]).await.unwrap();
    assert_eq!(own.user_id, Some(USER));
    for named in [None, Some(OTHER)] {
        let order = shop.order_with(both, &[2], |new| new.user_id = named).await.unwrap();
        assert_eq!(order.user_id, None);
        assert!(
            shop.get(guest(1), order.order_id).await.is_ok() && shop.get(user(OTHER), order.order_id).await.is_err()
        );
    }
    assert_eq!(
        (shop.list(both).await.len(), shop.list(guest(1)).await.len(), shop.list(user(USER)).await.len()),
        (3, 2, 1)
    );
});
