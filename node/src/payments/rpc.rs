//! The gRPC face of payments.

use codepop_proto::{
    options::Permission,
    payments::{self as pb, payments_service_server::PaymentsService},
};
use codepop_shared::{Code, Failure};
use tonic::{Request, Response, Status, async_trait};

use super::{Amount, Error, Payments, amount::dollars, claim, provider::stripe::webhook};
use crate::{
    app::{
        edge::{self, Problems, is_printable, timestamp},
        once::Once,
    },
    auth::{Actor, Place},
};

/// Longest reason of a refund, in characters.
const REASON_MAX: usize = 200;

/// Serves `PaymentsService`.
pub struct PaymentsRpc {
    payments: Payments,
}

impl PaymentsRpc {
    /// The service.
    pub fn new(payments: Payments) -> Self {
        Self { payments }
    }

    fn here(&self) -> Place {
        Place::Store(self.payments.app.author().id.uuid)
    }

    async fn view(&self, order: i64) -> Result<pb::Payment, Failure> {
        let reading = self.payments.app.read(move |tx| {
            Box::pin(async move { claim::status(tx, &[order]).await?.remove(&order).ok_or(Error::NoPayment) })
        });
        Ok(view(order, reading.await?))
    }
}

#[async_trait]
impl PaymentsService for PaymentsRpc {
    async fn create_payment_intent(
        &self,
        request: Request<pb::CreatePaymentIntentRequest>,
    ) -> Result<Response<pb::CreatePaymentIntentResponse>, Status> {
        let customer = Actor::of(&request)?.customer();
        let once = Once::of(&request, "CreatePaymentIntent")?;
        let dollars = request.into_inner().amount.ok_or_else(|| Failure::invalid("amount", "must be given"))?;
        let amount = Amount::from_dollars(dollars).map_err(|problem| Failure::invalid("amount", problem))?;
        let prepared = self.payments.prepare(customer, amount, once).await.map_err(Failure::from)?;
        Ok(Response::new(prepared))
    }

    async fn receive_stripe_event(
        &self,
        request: Request<pb::ReceiveStripeEventRequest>,
    ) -> Result<Response<pb::ReceiveStripeEventResponse>, Status> {
        let request = request.into_inner();
        let store = edge::uuid("store_id", &request.store_id)?;
        if !self.payments.app.author().is(store) {
            Err(Failure::new(Code::NotFound, "No store has this id here."))?;
        }
        let secret = self.payments.webhook_secret.as_ref();
        let secret = secret.ok_or_else(|| Failure::new(Code::NotFound, "This store takes no events of Stripe."))?;
        webhook::verify(secret, &request.payload, &request.signature, self.payments.app.clock().wall())?;
        // What the event says is not believed: it is a reason to ask.
        self.payments.look_again(webhook::subject(&request.payload)).await.map_err(Failure::from)?;
        Ok(Response::new(pb::ReceiveStripeEventResponse { received: true }))
    }

    async fn get_payment(
        &self,
        request: Request<pb::GetPaymentRequest>,
    ) -> Result<Response<pb::GetPaymentResponse>, Status> {
        Actor::of(&request)?.may(Permission::PaymentsManage, &self.here())?;
        let payment = self.view(request.into_inner().order_id).await?;
        Ok(Response::new(pb::GetPaymentResponse { payment: Some(payment) }))
    }

    async fn refund_order(
        &self,
        request: Request<pb::RefundOrderRequest>,
    ) -> Result<Response<pb::RefundOrderResponse>, Status> {
        let permit = Actor::of(&request)?.may(Permission::PaymentsManage, &self.here())?;
        let once = Once::of(&request, "RefundOrder")?;
        let (order, amount, why) = wanted(request.into_inner())?;
        let permit = permit.about("order", order);
        let refunding = self.payments.app.write(&permit, move |tx| {
            Box::pin(async move {
                if let Some(once) = &once
                    && let Some(kept) = once.answered::<pb::RefundOrderResponse>(tx).await?
                {
                    return Ok(kept);
                }
                if !claim::status(tx, &[order]).await?.contains_key(&order) {
                    return Err(Error::NoPayment);
                }
                claim::give_back(tx, order, amount, &why).await?;
                let status = claim::status(tx, &[order]).await?.remove(&order).ok_or(Error::NoPayment)?;
                let answer = pb::RefundOrderResponse { payment: Some(view(order, status)) };
                if let Some(once) = once {
                    once.keep(tx, &answer).await?;
                }
                Ok::<_, Error>(answer)
            })
        });
        let answer = refunding.await.map_err(Failure::from)?;
        self.payments.wake();
        Ok(Response::new(answer))
    }
}

fn wanted(request: pb::RefundOrderRequest) -> Result<(i64, Option<Amount>, String), Failure> {
    let mut problems = Problems::default();
    let amount = request.amount.and_then(|amount| problems.check("amount", Amount::from_dollars(amount)));
    if amount.is_some_and(|amount| amount.cents() == 0) {
        problems.add("amount", "must be at least one cent");
    }
    let why = request.reason.unwrap_or_default();
    if why.chars().count() > REASON_MAX || !is_printable(&why) {
        problems.add("reason", format!("must have at most {REASON_MAX} printable characters"));
    }
    problems.finish()?;
    Ok((request.order_id, amount, why))
}

fn view(order: i64, status: claim::Status) -> pb::Payment {
    pb::Payment {
        id: status.payment.to_string(),
        order_id: Some(order),
        provider: status.provider,
        intent: status.intent,
        state: status.state.word().to_owned(),
        amount: dollars(status.cents),
        refunded: dollars(status.refunded),
        refunding: dollars(status.refunding),
        problem: status.problem,
        created_at: Some(timestamp(status.created_at)),
    }
}
