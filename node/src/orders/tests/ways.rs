//! Customers on their way, estimates, and the robot's task.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::*;

fn tracked(id: i64, latitude: f64) -> pb::TrackLocationRequest {
    pb::TrackLocationRequest {
        order_id: id,
        current_latitude: Some(latitude),
        current_longitude: Some(-111.8338),
        velocity_mph: None,
    }
}

async fn row(shop: &Shop, id: i64) -> Order {
    shop.node.app.read(move |tx| Box::pin(store::order(tx, id))).await.unwrap().unwrap()
}

on_both!(preparation_starts_within_the_golden_window, async |node: Node| {
    let shop = Shop::open(node).await;
    let id = shop.order_with(guest(1), &[2], |new| new.await_arrival = Some(true)).await.unwrap().order_id;
    let track =
        async |customer, latitude| answer(shop.rpc().track_location(Shop::by(customer, tracked(id, latitude))).await);
    // 0.1 degrees of latitude are 6.9 miles; the window of a simple drink is 1 mile.
    let far = track(guest(1), 41.837).await.unwrap();
    assert!((6.8..7.0).contains(&far.current_distance_miles) && far.golden_window_distance_miles == 1.0);
    assert!(!far.preparation_started && far.start_in_minutes > 11.0 && far.order_status == "pending");
    assert_eq!(row(&shop, id).await.latitude, Some(41.837));
    assert_eq!(track(guest(2), 41.737).await.unwrap_err().code, Code::NotFound);
    let near = track(guest(1), 41.738).await.unwrap();
    assert!(near.preparation_started && near.start_in_minutes == 0.0 && near.order_status == "processing");
    shop.set_status(id, "completed").await.unwrap();
    assert_eq!((row(&shop, id).await.latitude, row(&shop, id).await.longitude), (None, None), "kept no longer");
    track(guest(1), 41.738).await.unwrap();
    assert_eq!(row(&shop, id).await.latitude, None);
});

on_both!(arrival_is_calculated, async |node: Node| {
    let shop = Shop::open(node).await;
    let ask = pb::CalculateArrivalRequest {
        store_id: shop.here().to_string(),
        current_latitude: Some(41.737 + 5.0 / 69.1),
        current_longitude: Some(-111.8338),
        velocity_mph: Some(30.0),
        drink_complexity: Some("medium".into()),
    };
    let calculate = async |ask: pb::CalculateArrivalRequest| {
        answer(shop.rpc().calculate_arrival(Shop::by(Customer::default(), ask)).await)
    };
    let found = calculate(ask.clone()).await.unwrap();
    assert!((4.95..5.05).contains(&found.current_distance_miles), "{found:?}");
    assert_eq!((found.golden_window_distance_miles, found.should_start, found.preparation_minutes), (1.5, false, 3));
    assert!((9.9..10.1).contains(&found.estimated_arrival_minutes) && (6.9..7.1).contains(&found.start_in_minutes));
    let zero = pb::CalculateArrivalRequest { current_latitude: Some(0.0), current_longitude: Some(0.0), ..ask.clone() };
    assert!(calculate(zero).await.unwrap().current_distance_miles > 1_000.0, "0 is a place");
    let crawl = pb::CalculateArrivalRequest { velocity_mph: Some(f64::MIN_POSITIVE), ..ask.clone() };
    assert!(calculate(crawl).await.unwrap().estimated_pickup_time.is_some());
    let wrong = pb::CalculateArrivalRequest {
        current_latitude: None,
        current_longitude: Some(f64::NAN),
        velocity_mph: Some(0.0),
        drink_complexity: Some("hard".into()),
        ..ask.clone()
    };
    assert_eq!(calculate(wrong).await.unwrap_err().fields.len(), 4);
    let unknown = pb::CalculateArrivalRequest { store_id: Uuid::now_v7().to_string(), ..ask };
    assert_eq!(calculate(unknown).await.unwrap_err().code, Code::NotFound);
});

on_both!(estimates_count_the_queue, async |node: Node| {
    let shop = Shop::open(node).await;
    let estimate = async || {
        let ask = pb::EstimateOrderRequest { drinks: vec![1, 2] };
        answer(shop.rpc().estimate_order(Shop::by(Customer::default(), ask)).await).unwrap()
    };
    let free = estimate().await;
    assert_eq!((free.preparation_minutes, free.queue_minutes, free.total_amount), (3, 0, 4.3));
    shop.order(user(USER), &[2, 2, 2]).await.unwrap();
    let busy = estimate().await;
    assert_eq!((busy.preparation_minutes, busy.queue_minutes), (3, 5));
});

on_both!(the_robot_works_by_itself_and_goes_on_after_a_restart, async |node: Node| {
    // A preparation of two minutes takes 12 ms.
    let shop = Shop::with(node, Robot { works: true, speed: 10_000 }).await;
    let done = async |id: i64| {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while shop.get(user(USER), id).await.unwrap().order_status != "completed" {
            assert!(tokio::time::Instant::now() < deadline, "the robot does nothing");
            tokio::task::yield_now().await;
        }
    };
    let before = shop.order(user(USER), &[2]).await.unwrap().order_id;
    let stop = CancellationToken::new();
    let robot = tokio::spawn(robot::run(shop.orders.clone(), stop.clone()));
    done(before).await;
    let after = shop.order(user(USER), &[2]).await.unwrap().order_id;
    done(after).await;
    stop.cancel();
    robot.await.unwrap();
});

on_both!(open_orders_are_due_anew_when_the_robot_changed, async |node: Node| {
    let shop = Shop::with(node, Robot { works: false, speed: 1 }).await;
    let id = shop.order(user(USER), &[2]).await.unwrap().order_id;
    assert_eq!(row(&shop, id).await.due_at, None);
    let other = Orders { robot: Robot::default(), ..shop.orders.clone() };
    robot::begin(&other).await.unwrap();
    assert_eq!(row(&shop, id).await.due_at, row(&shop, id).await.ready_at);
});
