//! The RPCs: who may ask, and what the app gets.

use codepop_proto::{
    payments::{
        self as pb, payments_service_server::PaymentsService as _, revenue_service_server::RevenueService as _,
    },
    roles::Role,
};
use codepop_shared::{Code, Failure};
use tonic::{Request, Response, Status as Refusal};

use super::{super::revenue::RevenueRpc, *};
use crate::{
    auth::{Grant, Place},
    laws,
};

const ANN: i64 = 101_000;

fn by<T>(message: T, customer: Customer) -> Request<T> {
    let mut actor = laws::actor(customer.user, Vec::new());
    actor.guest = customer.guest;
    let mut request = Request::new(message);
    request.extensions_mut().insert(actor);
    request
}

fn by_manager<T>(node: &Node, message: T) -> Request<T> {
    let place = Place::Store(node.app.author().id.uuid);
    let mut request = Request::new(message);
    request.extensions_mut().insert(laws::actor(Some(ANN), vec![Grant { role: Role::Manager, place }]));
    request
}

fn code<T: std::fmt::Debug>(answered: Result<Response<T>, Refusal>) -> Code {
    Failure::from(&answered.unwrap_err()).code
}

fn intent(amount: f64) -> pb::CreatePaymentIntentRequest {
    pb::CreatePaymentIntentRequest { amount: Some(amount) }
}

on_both!(the_cart_gets_what_the_phone_needs, |node: Node| async move {
    let (payments, provider) = payments(&node);
    let rpc = PaymentsRpc::new(payments.clone());
    let prepared = rpc.create_payment_intent(by(intent(2.3), guest(1))).await.unwrap().into_inner();
    assert!(prepared.payment_intent.contains("_secret_") && !prepared.ephemeral_key.is_empty());
    assert_eq!(payments.check(&prepared.payment_intent, guest(1)).await.unwrap().cents(), 230);
    let keyed = || {
        let mut request = by(intent(7.0), guest(1));
        request.metadata_mut().insert("idempotency-key", "k".parse().unwrap());
        request
    };
    let first = rpc.create_payment_intent(keyed()).await.unwrap().into_inner();
    let again = rpc.create_payment_intent(keyed()).await.unwrap().into_inner();
    assert_eq!((first, provider.calls("create")), (again, 2));
    for amount in [Some(-1.0), Some(10_000.5), Some(f64::NAN), None] {
        let request = by(pb::CreatePaymentIntentRequest { amount }, guest(1));
        assert_eq!(code(rpc.create_payment_intent(request).await), Code::Invalid, "{amount:?}");
    }
    let nobody = by(intent(1.0), Customer::default());
    assert_eq!(code(rpc.create_payment_intent(nobody).await), Code::NotAuthenticated);
    provider.set_away(true);
    assert_eq!(code(rpc.create_payment_intent(by(intent(3.0), guest(1))).await), Code::ProviderUnavailable);
});

on_both!(managers_alone_see_and_refund, |node: Node| async move {
    let (payments, _) = payments(&node);
    let rpc = PaymentsRpc::new(payments.clone());
    paid(&payments, 1).await;
    settle_after(&payments, TimeDelta::zero()).await;
    let get = |order_id| pb::GetPaymentRequest { order_id };
    let refund = |amount| pb::RefundOrderRequest { order_id: 1, amount, reason: Some("spilt".into()) };
    let customer = Customer { user: Some(ANN), guest: None };
    assert_eq!(code(rpc.get_payment(by(get(1), customer)).await), Code::Forbidden);
    assert_eq!(code(rpc.refund_order(by(refund(None), guest(1_001))).await), Code::NotAuthenticated);
    assert_eq!(code(rpc.get_payment(by_manager(&node, get(2))).await), Code::NotFound);
    assert_eq!(code(rpc.refund_order(by_manager(&node, refund(Some(4.61)))).await), Code::Conflict);
    assert_eq!(code(rpc.refund_order(by_manager(&node, refund(Some(0.0)))).await), Code::Invalid);
    let keyed = || {
        let mut request = by_manager(&node, refund(Some(1.2)));
        request.metadata_mut().insert("idempotency-key", "k".parse().unwrap());
        request
    };
    for _ in 0..2 {
        let payment = rpc.refund_order(keyed()).await.unwrap().into_inner().payment.unwrap();
        assert_eq!((payment.amount, payment.refunding), (4.6, 1.2));
        settle_after(&payments, TimeDelta::zero()).await;
    }
    let payment = rpc.get_payment(by_manager(&node, get(1))).await.unwrap().into_inner().payment.unwrap();
    assert_eq!((payment.state.as_str(), payment.refunded, payment.refunding), ("captured", 1.2, 0.0));
    assert_eq!((payment.provider.as_str(), payment.intent.contains("secret")), ("simulated", false));
});

on_both!(revenue_is_the_managers, |node: Node| async move {
    let (payments, _) = payments(&node);
    let rpc = RevenueRpc::new(node.app.clone());
    for order in [1, 2] {
        paid(&payments, order).await;
    }
    settle_after(&payments, TimeDelta::zero()).await;
    given_back(&payments, 1, None).await.unwrap();
    settle_after(&payments, TimeDelta::zero()).await;
    let list = pb::ListRevenueRequest::default;
    assert_eq!(code(rpc.list_revenue(by(list(), guest(1_001))).await), Code::NotAuthenticated);
    let entries = rpc.list_revenue(by_manager(&node, list())).await.unwrap().into_inner().entries;
    let seen: Vec<_> = entries.iter().map(|e| (e.order_id, e.total_amount, e.refunded)).collect();
    assert_eq!(seen, [(Some(1), -4.6, true), (Some(2), 4.6, false), (Some(1), 4.6, false)]);
    let get = pb::GetRevenueRequest { revenue_id: entries[1].revenue_id };
    let got = rpc.get_revenue(by_manager(&node, get)).await.unwrap().into_inner().entry.unwrap();
    assert_eq!(got, entries[1]);
    let totals = pb::GetRevenueTotalsRequest::default();
    let totals = rpc.get_revenue_totals(by_manager(&node, totals)).await.unwrap().into_inner();
    assert_eq!((totals.sales, totals.sales_amount, totals.refunds, totals.net_amount), (2, 9.2, 1, 4.6));
    let late = pb::GetRevenueTotalsRequest { start: entries[0].sale_date, end: None };
    let late = rpc.get_revenue_totals(by_manager(&node, late)).await.unwrap().into_inner();
    assert_eq!((late.sales, late.refunds, late.refunds_amount), (0, 1, 4.6));
    for limit in [0, -1, 10_001] {
        let request = pb::ListRevenueRequest { limit: Some(limit), ..list() };
        assert_eq!(code(rpc.list_revenue(by_manager(&node, request)).await), Code::Invalid, "{limit}");
    }
});

on_both!(reports_of_revenue_change_nothing, |node: Node| async move {
    let (payments, _) = payments(&node);
    let rpc = RevenueRpc::new(node.app.clone());
    paid(&payments, 1).await;
    let report = || pb::ReportRevenueRequest { order_id: 1, total_amount: Some(999.0) };
    let told = async |request| {
        let entry = rpc.report_revenue(request).await.unwrap().into_inner().entry.unwrap();
        (entry.revenue_id != 0, entry.order_id, entry.total_amount)
    };
    assert_eq!(told(by(report(), guest(1_001))).await, (true, Some(1), 4.6));
    assert_eq!(told(by_manager(&node, report())).await, (true, Some(1), 4.6));
    assert_eq!(told(by(report(), guest(5))).await, (false, Some(1), 999.0));
    assert_eq!(told(by(report(), Customer::default())).await, (false, Some(1), 999.0));
    assert_eq!(earned(&payments).await, (460, 0));
});
