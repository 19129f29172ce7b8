//! The gRPC face of revenue.

use chrono::{DateTime, Utc};
use codepop_proto::{
    options::Permission,
    payments::{self as pb, revenue_service_server::RevenueService},
};
use codepop_shared::{Code, Failure};
use prost_types::Timestamp;
use tonic::{Request, Response, Status, async_trait};

use super::{Entry, LISTED_MAX, Span};
use crate::{
    app::{
        App,
        edge::{Problems, moment, storage_failure, timestamp},
    },
    auth::{Actor, Place},
    payments::{amount::dollars, store},
    storage,
};

/// Serves `RevenueService`.
pub struct RevenueRpc {
    app: App,
}

impl RevenueRpc {
    /// The service.
    pub fn new(app: App) -> Self {
        Self { app }
    }

    fn permit<T>(&self, request: &Request<T>) -> Result<(), Failure> {
        let here = Place::Store(self.app.author().id.uuid);
        Actor::of(request)?.may(Permission::PaymentsManage, &here).map(drop)
    }

    /// The sale of the order, if the caller may see it.
    async fn visible(&self, actor: &Actor, order: i64) -> Result<Option<Entry>, Failure> {
        let here = Place::Store(self.app.author().id.uuid);
        let manages = actor.may(Permission::PaymentsManage, &here).is_ok();
        let customer = actor.customer();
        let found = self.app.read(move |tx| {
            Box::pin(async move {
                let paid = store::of_orders(tx, &[order]).await?;
                let is_own = paid.first().is_some_and(|payment| payment.is_of(&customer));
                if manages || is_own { super::sale_of(tx, order).await } else { Ok(None) }
            })
        });
        found.await.map_err(|error: storage::Error| storage_failure(&error))
    }
}

#[async_trait]
impl RevenueService for RevenueRpc {
    async fn list_revenue(
        &self,
        request: Request<pb::ListRevenueRequest>,
    ) -> Result<Response<pb::ListRevenueResponse>, Status> {
        self.permit(&request)?;
        let request = request.into_inner();
        let span = span(request.start, request.end)?;
        let limit = request.limit.map_or(LISTED_MAX, i64::from);
        if !(1..=LISTED_MAX).contains(&limit) {
            Err(Failure::invalid("limit", format!("must be from 1 to {LISTED_MAX}")))?;
        }
        let listed = self.app.read(move |tx| Box::pin(super::list(tx, span, limit))).await;
        let entries = listed.map_err(|error| storage_failure(&error))?.into_iter().map(view).collect();
        Ok(Response::new(pb::ListRevenueResponse { entries }))
    }

    async fn get_revenue(
        &self,
        request: Request<pb::GetRevenueRequest>,
    ) -> Result<Response<pb::GetRevenueResponse>, Status> {
        self.permit(&request)?;
        let id = request.into_inner().revenue_id;
        let found = self.app.read(move |tx| Box::pin(super::find(tx, id))).await;
        let entry = found.map_err(|error| storage_failure(&error))?;
        let entry = entry.ok_or_else(|| Failure::new(Code::NotFound, "No revenue entry has this number here."))?;
        Ok(Response::new(pb::GetRevenueResponse { entry: Some(view(entry)) }))
    }

    async fn get_revenue_totals(
        &self,
        request: Request<pb::GetRevenueTotalsRequest>,
    ) -> Result<Response<pb::GetRevenueTotalsResponse>, Status> {
        self.permit(&request)?;
        let request = request.into_inner();
        let span = span(request.start, request.end)?;
        let summed = self.app.db.read_consistent(move |tx| Box::pin(super::totals(tx, span))).await;
        let totals = summed.map_err(|error| storage_failure(&error))?;
        Ok(Response::new(pb::GetRevenueTotalsResponse {
            sales: totals.sales,
            sales_amount: dollars(totals.sales_cents),
            refunds: totals.refunds,
            refunds_amount: dollars(totals.refunds_cents),
            net_amount: dollars(totals.sales_cents - totals.refunds_cents),
        }))
    }

    async fn report_revenue(
        &self,
        request: Request<pb::ReportRevenueRequest>,
    ) -> Result<Response<pb::ReportRevenueResponse>, Status> {
        let actor = Actor::of(&request)?;
        let request = request.into_inner();
        let entry = match self.visible(&actor, request.order_id).await? {
            Some(entry) => view(entry),
            None => echo(&request, self.app.clock().wall()),
        };
        Ok(Response::new(pb::ReportRevenueResponse { entry: Some(entry) }))
    }
}

/// What was sent, in the shape of an entry that there is not.
fn echo(request: &pb::ReportRevenueRequest, now: DateTime<Utc>) -> pb::Revenue {
    pb::Revenue {
        revenue_id: 0,
        order_id: Some(request.order_id),
        total_amount: request.total_amount.filter(|amount| amount.is_finite()).unwrap_or(0.0),
        sale_date: Some(timestamp(now)),
        refunded: false,
    }
}

fn view(entry: Entry) -> pb::Revenue {
    pb::Revenue {
        revenue_id: entry.id,
        order_id: entry.order_id,
        total_amount: dollars(entry.amount_cents),
        sale_date: Some(timestamp(entry.at.0)),
        refunded: entry.refunded,
    }
}

fn span(start: Option<Timestamp>, end: Option<Timestamp>) -> Result<Span, Failure> {
    let mut problems = Problems::default();
    let mut read = |field: &str, given: Option<Timestamp>| {
        given.and_then(|given| problems.check(field, moment(&given).ok_or("must be a time from year 1 to 9999")))
    };
    let span = Span::new(read("start", start), read("end", end));
    problems.finish()?;
    Ok(span)
}
