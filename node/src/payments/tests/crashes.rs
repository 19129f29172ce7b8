//! The node dies between the provider's deed and our writing it down; the next one finds out.

use super::*;

/// Settles until the provider has done something that it does not say; then dies.
async fn settle_and_die(payments: &Payments, provider: &Faulty) {
    provider.set_mute(true);
    let now = payments.app.clock().wall();
    tokio::select! {
        settled = payments.settle_due(now) => panic!("nothing to do: {settled:?}"),
        () = provider.done.notified() => {}
    }
    provider.set_mute(false);
}

on_both!(a_capture_that_nobody_wrote_down_is_made_once, |node: Node| async move {
    let (payments, provider) = payments(&node);
    paid(&payments, 1).await;
    settle_and_die(&payments, &provider).await;
    assert_eq!(status_of(&payments, 1).await.state, State::Capturing);
    let (next, provider) = super::payments(&node);
    settle_after(&next, TimeDelta::zero()).await;
    assert_eq!((status_of(&next, 1).await.state, provider.calls("capture")), (State::Captured, 1));
    assert_eq!((earned(&next).await, refunds_at_provider(&node).await), ((460, 0), vec![]));
});

on_both!(a_refund_that_nobody_wrote_down_is_made_once, |node: Node| async move {
    let (payments, provider) = payments(&node);
    paid(&payments, 1).await;
    settle_after(&payments, TimeDelta::zero()).await;
    given_back(&payments, 1, Some(100)).await.unwrap();
    settle_and_die(&payments, &provider).await;
    assert_eq!((status_of(&payments, 1).await.refunded, earned(&payments).await), (0, (460, 0)));
    let (next, provider) = super::payments(&node);
    settle_after(&next, TimeDelta::zero()).await;
    assert_eq!((status_of(&next, 1).await.refunded, provider.calls("refund")), (100, 0), "it asked first");
    assert_eq!((earned(&next).await, refunds_at_provider(&node).await), ((460, 100), vec![100]));
});

on_both!(an_order_cancelled_during_its_capture_gets_its_money_back, |node: Node| async move {
    let (payments, provider) = payments(&node);
    paid(&payments, 1).await;
    settle_and_die(&payments, &provider).await;
    given_back(&payments, 1, None).await.unwrap();
    assert_eq!(status_of(&payments, 1).await.state, State::Releasing);
    let (next, _) = super::payments(&node);
    settle_after(&next, TimeDelta::zero()).await;
    let status = status_of(&next, 1).await;
    assert_eq!((status.state, status.refunded), (State::Captured, 460));
    assert_eq!((earned(&next).await, refunds_at_provider(&node).await), ((460, 460), vec![460]));
});

on_both!(a_payment_let_go_that_nobody_wrote_down_stays_let_go, |node: Node| async move {
    let (payments, provider) = payments(&node);
    paid(&payments, 1).await;
    given_back(&payments, 1, None).await.unwrap();
    settle_and_die(&payments, &provider).await;
    let (next, _) = super::payments(&node);
    settle_after(&next, TimeDelta::zero()).await;
    assert_eq!((status_of(&next, 1).await.state, earned(&next).await), (State::Released, (460, 460)));
});
