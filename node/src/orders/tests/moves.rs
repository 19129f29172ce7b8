//! Orders after they were placed: states, changes, whose they are.

use super::*;

on_both!(the_robot_makes_one_order_after_the_other, async |node: Node| {
    let shop = Shop::open(node).await;
    let first = shop.order(user(USER), &[2]).await.unwrap();
    let second = shop.order(user(USER), &[2, 2, 2]).await.unwrap();
    let seconds = |order: &pb::Order| order.ready_at.as_ref().unwrap().seconds;
    assert!((119..=121).contains(&(seconds(&first) - first.creation_time.as_ref().unwrap().seconds)));
    assert_eq!(seconds(&second) - seconds(&first), 300);
    let states = async || {
        let (first, second) = (shop.get(user(USER), first.order_id).await, shop.get(user(USER), second.order_id).await);
        (first.unwrap().order_status, second.unwrap().order_status)
    };
    let are = |first: &str, second: &str| (first.to_owned(), second.to_owned());
    shop.later(TimeDelta::seconds(110)).await;
    assert_eq!(states().await, are("processing", "processing"));
    shop.later(TimeDelta::seconds(121)).await;
    assert_eq!(states().await, are("ready", "processing"));
    shop.later(TimeDelta::seconds(421)).await;
    assert_eq!(states().await, are("completed", "ready"));
    shop.later(TimeDelta::seconds(721)).await;
    assert_eq!(states().await, are("completed", "completed"));
});

on_both!(without_a_robot_people_say_when, async |node: Node| {
    let shop = Shop::with(node, Robot { works: false, speed: 1 }).await;
    let id = shop.order(user(USER), &[2]).await.unwrap().order_id;
    shop.later(TimeDelta::hours(3)).await;
    assert_eq!(shop.get(user(USER), id).await.unwrap().order_status, "processing");
    assert_eq!(shop.set_status(id, "expired").await.unwrap_err().code, Code::Conflict);
    assert_eq!(shop.set_status(id, "pending").await.unwrap_err().code, Code::Invalid);
    assert_eq!(shop.set_status(id, "Ready").await.unwrap().order_status, "ready");
    assert_eq!(shop.set_status(id, "ready").await.unwrap().order_status, "ready");
    shop.later(TimeDelta::minutes(230)).await;
    assert_eq!(shop.get(user(USER), id).await.unwrap().order_status, "ready");
    shop.later(TimeDelta::minutes(241)).await;
    let expired = shop.get(user(USER), id).await.unwrap();
    assert_eq!((expired.order_status.as_str(), expired.payment_status.as_str()), ("expired", "paid"));
    let strange = pb::SetOrderStatusRequest { order_id: id, order_status: "ready".into() };
    let refused = answer(shop.rpc().set_order_status(Shop::by(user(USER), strange)).await);
    assert_eq!(refused.unwrap_err().code, Code::Forbidden);
});

on_both!(scheduled_orders_start_in_time, async |node: Node| {
    let shop = Shop::open(node).await;
    let pickup = in_time(&shop, TimeDelta::hours(2));
    let order = shop.order_with(user(USER), &[2], |new| new.pickup_time = Some(pickup)).await.unwrap();
    assert_eq!((order.order_status.as_str(), order.ready_at), ("pending", order.pickup_time));
    let state = async || shop.get(user(USER), order.order_id).await.unwrap().order_status;
    shop.later(TimeDelta::minutes(117)).await;
    assert_eq!(state().await, "pending");
    shop.later(TimeDelta::minutes(119)).await;
    assert_eq!(state().await, "processing");
    shop.later(TimeDelta::minutes(121)).await;
    assert_eq!(state().await, "ready");
    let soon = in_time(&shop, TimeDelta::seconds(30));
    let order = shop.order_with(user(USER), &[2], |new| new.pickup_time = Some(soon)).await.unwrap();
    assert_eq!(order.order_status, "processing");
});

on_both!(pending_orders_are_cancelled_and_undone, async |node: Node| {
    let shop = Shop::open(node).await;
    let waiting = async || shop.order_with(user(USER), &[1, 1], |new| new.await_arrival = Some(true)).await.unwrap();
    let order = waiting().await;
    assert_eq!((order.order_status.as_str(), shop.stocked("Vanilla").await), ("pending", 998));
    for _ in 0..2 {
        shop.cancel(user(USER), order.order_id).await.unwrap();
        assert_eq!((shop.stocked("Vanilla").await, shop.in_ledger("Vanilla").await), (1_000, 1_000));
    }
    let id = order.order_id;
    let money = shop.node.app.read(move |tx| Box::pin(async move { payments::status(tx, &[id]).await })).await.unwrap();
    assert!(matches!(money[&id].state, payments::State::Releasing | payments::State::Released), "{money:?}");
    assert_eq!(shop.get(user(USER), id).await.unwrap().order_status, "cancelled");

    let order = waiting().await;
    let change = pb::UpdateOrderRequest { order_status: Some("Cancelled".into()), ..change_of(order.order_id) };
    assert_eq!(shop.update(user(USER), change).await.unwrap().order_status, "cancelled");

    let started = shop.order(user(USER), &[2]).await.unwrap().order_id;
    assert_eq!(shop.cancel(user(USER), started).await.unwrap_err().code, Code::Conflict);
    assert_eq!(shop.set_status(started, "cancelled").await.unwrap().order_status, "cancelled");
    assert_eq!(shop.stocked("Coke").await, 999, "the robot had begun with it");

    let forgotten = waiting().await.order_id;
    shop.later(TimeDelta::hours(25)).await;
    assert_eq!(shop.get(user(USER), forgotten).await.unwrap().order_status, "expired");
    assert_eq!(shop.stocked("Vanilla").await, 1_000);
});

on_both!(orders_in_the_queue_are_cancelled_by_their_owner, async |node: Node| {
    let shop = Shop::open(node).await;
    let first = shop.order(user(USER), &[2]).await.unwrap().order_id;
    let queued = shop.order(guest(1), &[1]).await.unwrap();
    let id = queued.order_id;
    assert_eq!((queued.order_status.as_str(), shop.stocked("Vanilla").await), ("processing", 999));
    assert_eq!(shop.cancel(user(USER), id).await.unwrap_err().code, Code::NotFound);
    for _ in 0..2 {
        shop.cancel(guest(1), id).await.unwrap();
        assert_eq!((shop.stocked("Vanilla").await, shop.in_ledger("Vanilla").await), (1_000, 1_000));
    }
    let money = shop.node.app.read(move |tx| Box::pin(async move { payments::status(tx, &[id]).await })).await.unwrap();
    assert!(matches!(money[&id].state, payments::State::Releasing | payments::State::Released), "{money:?}");
    assert_eq!(shop.cancel(user(USER), first).await.unwrap_err().code, Code::Conflict);
    shop.later(TimeDelta::minutes(10)).await;
    assert_eq!(shop.get(guest(1), id).await.unwrap().order_status, "cancelled");
});

on_both!(what_nobody_pays_is_not_made, async |node: Node| {
    use crate::storage::schema::payments as rows;
    use diesel::{ExpressionMethods as _, QueryDsl as _};
    use diesel_async::RunQueryDsl as _;
    let shop = Shop::open(node).await;
    let begun = shop.order(user(USER), &[1]).await.unwrap().order_id;
    let queued = shop.order(user(USER), &[1]).await.unwrap().order_id;
    let waiting = shop.order_with(user(USER), &[1], |new| new.await_arrival = Some(true)).await.unwrap().order_id;
    let paid = shop.order_with(user(USER), &[1], |new| new.await_arrival = Some(true)).await.unwrap().order_id;
    let fail = async move |tx: &mut Tx| {
        let failed = rows::table.filter(rows::order_id.eq_any([begun, queued, waiting]));
        crate::on!(tx, conn => diesel::update(failed).set(rows::state.eq("failed")).execute(conn).await)?;
        Ok::<_, storage::Error>(())
    };
    shop.node.db.write(move |tx| Box::pin(async move { fail(tx).await })).await.unwrap();
    robot::cancel_unpaid(&shop.orders).await.unwrap();
    let state = async |id| shop.get(user(USER), id).await.unwrap().order_status;
    assert_eq!((state(queued).await, state(waiting).await), ("cancelled".to_owned(), "cancelled".to_owned()));
    assert_eq!((state(begun).await, state(paid).await), ("processing".to_owned(), "pending".to_owned()));
    assert_eq!((shop.stocked("Vanilla").await, shop.in_ledger("Vanilla").await), (998, 998));
});

on_both!(the_unmodified_app_gets_friendly_answers, async |node: Node| {
    let shop = Shop::open(node).await;
    let order = shop.order(guest(1), &[2]).await.unwrap();
    let id = order.order_id;
    for word in ["completed", "ready", "anything"] {
        let change = pb::UpdateOrderRequest {
            order_status: Some(word.into()),
            payment_status: Some("remade".into()),
            stripe_id: Some("pi_other".into()),
            ..change_of(id)
        };
        assert_eq!(shop.update(guest(1), change).await.unwrap(), order);
    }
    let locker = |code: &str| pb::UpdateOrderRequest { locker_combo: Some(code.into()), ..change_of(id) };
    assert_eq!(shop.update(guest(1), locker("1234")).await.unwrap(), order);
    let taken = shop.update(guest(1), locker("01234")).await.unwrap();
    assert_eq!((taken.locker_combo, taken.locker_code.as_deref()), (Some(1_234), Some("01234")));
    let second = shop.update(guest(1), locker("99999")).await.unwrap();
    assert_eq!(second.locker_code.as_deref(), Some("01234"));
    // The store's people see the order without its combination, and cannot set it.
    let seen = answer(shop.rpc().update_order(shop.by_staff(locker("55555"))).await).unwrap().order.unwrap();
    assert_eq!((seen.locker_combo, seen.locker_code), (None, None));
});

on_both!(orders_of_others_are_not_there, async |node: Node| {
    let shop = Shop::open(node).await;
    let mine = shop.order_with(user(USER), &[2], |new| new.await_arrival = Some(true)).await.unwrap().order_id;
    let theirs = shop.order(guest(2), &[2]).await.unwrap().order_id;
    for stranger in [user(OTHER), guest(1), Customer::default()] {
        assert_eq!(shop.get(stranger, mine).await.unwrap_err().code, Code::NotFound);
        assert_eq!(shop.cancel(stranger, mine).await.unwrap_err().code, Code::NotFound);
        assert_eq!(shop.update(stranger, change_of(mine)).await.unwrap_err().code, Code::NotFound);
        let start = pb::StartPreparationRequest { order_id: mine };
        let started = answer(shop.rpc().start_preparation(Shop::by(stranger, start)).await);
        assert_eq!(started.unwrap_err().code, Code::NotFound);
        assert!(shop.list(stranger).await.is_empty());
    }
    let named = pb::ListOrdersRequest { user_id: Some(USER), ..Default::default() };
    let refused = answer(shop.rpc().list_orders(Shop::by(user(OTHER), named.clone())).await).unwrap_err();
    assert_eq!(refused.code, Code::Forbidden);
    let staff = answer(shop.rpc().list_orders(shop.by_staff(pb::ListOrdersRequest::default())).await).unwrap();
    assert_eq!(staff.orders.iter().map(|order| order.order_id).collect::<Vec<_>>(), [theirs, mine]);
    assert!(staff.orders.iter().all(|order| order.locker_combo.is_none() && order.locker_code.is_none()));
    let one = answer(shop.rpc().list_orders(shop.by_staff(named)).await).unwrap().orders;
    assert_eq!(one.iter().map(|order| order.order_id).collect::<Vec<_>>(), [mine]);
    let page = pb::ListOrdersRequest {
        status: Some("pending".into()),
        before: Some(theirs),
        limit: Some(1),
        ..Default::default()
    };
    let one = answer(shop.rpc().list_orders(shop.by_staff(page)).await).unwrap().orders;
    assert_eq!(one.iter().map(|order| order.order_id).collect::<Vec<_>>(), [mine]);
});

on_both!(drinks_change_for_others_of_the_same_price, async |node: Node| {
    let shop = Shop::open(node).await;
    shop.publish(3, "Other", &["Coke"], &["Vanilla"], 200).await;
    let id = shop.order_with(user(USER), &[2, 2], |new| new.await_arrival = Some(true)).await.unwrap().order_id;
    let change = pb::UpdateOrderRequest { add_drinks: vec![3], remove_drinks: vec![2], ..change_of(id) };
    let changed = shop.update(user(USER), change).await.unwrap();
    assert_eq!((changed.drinks.as_slice(), changed.total_amount), (&[2, 3][..], 4.0));
    assert_eq!((shop.stocked("Coke").await, shop.stocked("Vanilla").await), (998, 999));
    for wrong in [
        pb::UpdateOrderRequest { add_drinks: vec![2], ..change_of(id) },
        pb::UpdateOrderRequest { drinks: vec![1, 1], ..change_of(id) },
        pb::UpdateOrderRequest { remove_drinks: vec![7], ..change_of(id) },
    ] {
        assert_eq!(shop.update(user(USER), wrong).await.unwrap_err().code, Code::Conflict);
    }
    let pickup = pb::UpdateOrderRequest { pickup_time: Some(in_time(&shop, TimeDelta::hours(1))), ..change_of(id) };
    assert!(shop.update(user(USER), pickup.clone()).await.unwrap().pickup_time.is_some());
    let start = pb::StartPreparationRequest { order_id: id };
    let started = answer(shop.rpc().start_preparation(Shop::by(user(USER), start)).await).unwrap().order.unwrap();
    assert_eq!(started.order_status, "processing");
    let late = pb::UpdateOrderRequest { drinks: vec![2, 2], ..change_of(id) };
    assert_eq!(shop.update(user(USER), late).await.unwrap_err().code, Code::Conflict);
    let same = pb::UpdateOrderRequest { drinks: vec![3, 2], ..change_of(id) };
    assert_eq!(shop.update(user(USER), same).await.unwrap().drinks, [2, 3]);
    assert_eq!((shop.in_ledger("Coke").await, shop.in_ledger("Vanilla").await), (998, 999));
});

on_both!(drinks_are_made_again_for_nothing, async |node: Node| {
    let shop = Shop::open(node).await;
    let original = shop.order(user(USER), &[1, 2]).await.unwrap().order_id;
    let robot = shop.orders.robot();
    let made = shop.node.db.write(move |tx| Box::pin(remake(tx, robot, original, &[0]))).await.unwrap();
    let seen = shop.get(user(USER), made.id).await.unwrap();
    assert_eq!((seen.drinks.as_slice(), seen.payment_status.as_str(), seen.total_amount), (&[1][..], "remade", 0.0));
    assert_eq!((made.remake_of, shop.stocked("Vanilla").await), (Some(original), 998));
    let none = shop.node.db.write(move |tx| Box::pin(remake(tx, robot, original, &[2]))).await;
    assert!(matches!(none, Err(Error::Refused(_))));
    shop.set_store(places::UpdateStoreRequest { is_accepting_orders: Some(false), ..Default::default() }).await;
    let closed = shop.node.db.write(move |tx| Box::pin(remake(tx, robot, original, &[0]))).await.unwrap_err();
    assert!(matches!(&closed, Error::Refused(failure) if failure.code == Code::StoreClosed), "{closed}");
    assert_eq!(shop.stocked("Vanilla").await, 998);
});
