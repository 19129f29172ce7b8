//! The gRPC face of support.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use codepop_proto::{
    options::Permission,
    support::{self as pb, support_service_server::SupportService},
};
use codepop_shared::{Code, Failure, identity::Kind, number};
use tonic::{Request, Response, Status, async_trait};

use super::{
    conversation::{self, About, Phase, Refusal, Reply, Step, Talk},
    desk::{self, Asker, Error, LISTED_MAX},
    store::Complaint,
};
use crate::{
    app::{
        App,
        edge::{storage_failure, timestamp},
    },
    auth::{Actor, Customer, Permit, Place},
    mesh::registry,
    orders::Orders,
};

/// Longest message, in characters.
const MESSAGE_MAX: usize = 1_000;

/// First words of complaints that are remembered until their order is named; beyond that, all are forgotten.
const REMEMBERED_MAX: usize = 4_096;

/// Complaints in an answer when nothing is said.
const LISTED_DEFAULT: i32 = 100;

/// User and guest's session of a customer.
type Who = (Option<i64>, Option<uuid::Uuid>);

/// Serves `SupportService`.
pub struct SupportRpc {
    app: App,
    orders: Orders,
    /// What customers wrote first; the order is named later. Lost with a restart: then the later words are kept.
    first_words: Arc<Mutex<HashMap<Who, String>>>,
}

impl SupportRpc {
    /// The service.
    pub fn new(app: App, orders: Orders) -> Self {
        Self { app, orders, first_words: Arc::default() }
    }

    fn remember(&self, customer: Customer, message: &str) {
        if customer == Customer::default() {
            return;
        }
        let mut words = self.first_words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.len() >= REMEMBERED_MAX {
            words.clear();
        }
        words.insert((customer.user, customer.guest), message.to_owned());
    }

    /// What the customer wrote first, or else what was written now.
    fn remembered(&self, customer: Customer, message: &str) -> String {
        let words = self.first_words.lock().unwrap_or_else(PoisonError::into_inner);
        words.get(&(customer.user, customer.guest)).cloned().unwrap_or_else(|| message.to_owned())
    }

    async fn follow(&self, actor: &Actor, talk: Talk, message: String) -> Result<Reply, Failure> {
        let asker = Asker { customer: actor.customer(), client: actor.client };
        let permit = actor.public();
        match conversation::step(&talk, &message) {
            Step::Say(reply) => Ok(reply),
            Step::Complain(reply) => {
                self.remember(asker.customer, &message);
                Ok(reply)
            }
            Step::LookUp(about, order) => self.look_up(&permit, asker, about, order, &message).await,
            Step::GiveBack(order) => self.give_back(&permit, asker, &talk, order, &message).await,
            Step::Remake(order, wanted) => self.remake(&permit, asker, &talk, (order, wanted), &message).await,
        }
    }

    async fn look_up(
        &self,
        permit: &Permit,
        asker: Asker,
        about: About,
        order: i64,
        message: &str,
    ) -> Result<Reply, Failure> {
        self.require_here(order).await?;
        let said = self.remembered(asker.customer, message);
        let looked = self
            .app
            .write(permit, move |tx| Box::pin(async move { desk::look_up(tx, asker, about, order, said).await }));
        let lines = outcome(looked.await)?;
        Ok(conversation::found(about, order, lines.as_deref().map_err(Clone::clone)))
    }

    async fn give_back(
        &self,
        permit: &Permit,
        asker: Asker,
        talk: &Talk,
        order: i64,
        message: &str,
    ) -> Result<Reply, Failure> {
        self.require_here(order).await?;
        let (said, robot) = (self.remembered(asker.customer, message), self.orders.robot());
        let given = self
            .app
            .write(permit, move |tx| Box::pin(async move { desk::give_back(tx, robot, asker, order, said).await }));
        let given = outcome(given.await)?;
        self.orders.woken();
        Ok(conversation::given_back(talk, order, given))
    }

    async fn remake(
        &self,
        permit: &Permit,
        asker: Asker,
        talk: &Talk,
        (order, wanted): (i64, Option<Vec<i64>>),
        message: &str,
    ) -> Result<Reply, Failure> {
        self.require_here(order).await?;
        let (said, robot) = (self.remembered(asker.customer, message), self.orders.robot());
        let made = self.app.write(permit, move |tx| {
            Box::pin(async move { desk::remake(tx, robot, asker, order, wanted, said).await })
        });
        let made = outcome(made.await)?;
        self.orders.woken();
        Ok(conversation::remade(talk, order, made))
    }

    /// Orders of other stores are theirs to talk about; a number that no store can have given is an unknown order's.
    async fn require_here(&self, order: i64) -> Result<(), Failure> {
        let here = self.app.author();
        let Some(born_at) = number::born_at(order).filter(|born_at| !here.gave(*born_at)) else { return Ok(()) };
        let nodes = self.app.read(|tx| Box::pin(registry::all(tx))).await.map_err(|error| storage_failure(&error))?;
        let is_store = nodes.iter().any(|node| node.id().number == born_at && node.id().kind == Kind::Store);
        if !is_store {
            return Ok(());
        }
        let detail = "Another store has this order; ask that one.";
        Err(Failure::new(Code::AskStore, detail).with("number", order.to_string()))
    }
}

/// What the conversation is told, or why the call failed.
fn outcome<T>(result: Result<Result<T, Refusal>, Error>) -> Result<Result<T, Refusal>, Failure> {
    match result {
        Ok(done) => Ok(done),
        Err(Error::Refused(refusal)) => Ok(Err(refusal)),
        Err(Error::Failed(error)) => Err(error.into()),
    }
}

#[async_trait]
impl SupportService for SupportRpc {
    async fn chat(&self, request: Request<pb::ChatRequest>) -> Result<Response<pb::ChatResponse>, Status> {
        let actor = Actor::of(&request)?;
        if self.app.author().id.kind != Kind::Store {
            Err(Failure::new(Code::AskStore, "Support is given by stores; ask one."))?;
        }
        let pb::ChatRequest { message, refund_phase, wrong_drink_phase, order_num, drink_nums } = request.into_inner();
        if message.chars().count() > MESSAGE_MAX {
            Err(Failure::invalid("message", format!("must have at most {MESSAGE_MAX} characters")))?;
        }
        let message: String = message.chars().filter(|char| *char != '\0').collect();
        let talk = Talk {
            refund: Phase::parse(refund_phase.as_deref()),
            wrong_drink: Phase::parse(wrong_drink_phase.as_deref()),
            // Whatever is no number is no order.
            order: order_num.and_then(|number| number.trim().parse().ok()).filter(|number| *number > 0),
            drinks: numbers(drink_nums.as_deref().unwrap_or_default()),
        };
        let reply = self.follow(&actor, talk, message).await?;
        Ok(Response::new(view(reply)))
    }

    async fn list_complaints(
        &self,
        request: Request<pb::ListComplaintsRequest>,
    ) -> Result<Response<pb::ListComplaintsResponse>, Status> {
        let actor = Actor::of(&request)?;
        actor.may(Permission::ComplaintsRead, &Place::Store(self.app.author().id.uuid))?;
        let limit = i64::from(request.into_inner().limit.unwrap_or(LISTED_DEFAULT));
        if !(1..=LISTED_MAX).contains(&limit) {
            Err(Failure::invalid("limit", format!("must be from 1 to {LISTED_MAX}")))?;
        }
        let found = self.app.read(move |tx| Box::pin(desk::complaints(tx, limit))).await;
        let complaints = found.map_err(|error| storage_failure(&error))?.into_iter().map(complaint).collect();
        Ok(Response::new(pb::ListComplaintsResponse { complaints }))
    }
}

/// Drinks of one order are 50 at most; of a longer list the phone gets no more back.
const DRINKS_MAX: usize = 50;

fn numbers(text: &str) -> Vec<i64> {
    text.split(',').filter_map(|number| number.trim().parse().ok()).take(DRINKS_MAX).collect()
}

fn view(reply: Reply) -> pb::ChatResponse {
    let none = || "none".to_owned();
    let drinks: Vec<String> = reply.talk.drinks.iter().map(i64::to_string).collect();
    pb::ChatResponse {
        responses: reply.says,
        refund_phase: reply.talk.refund.word().to_owned(),
        wrong_drink_phase: reply.talk.wrong_drink.word().to_owned(),
        order_num: reply.talk.order.map_or_else(none, |order| order.to_string()),
        drink_nums: if drinks.is_empty() { none() } else { drinks.join(", ") },
    }
}

fn complaint(complaint: Complaint) -> pb::Complaint {
    pb::Complaint {
        id: complaint.id,
        order_id: complaint.order_id,
        user_id: complaint.user_id,
        kind: complaint.kind,
        message: complaint.message,
        outcome: complaint.outcome,
        at: Some(timestamp(complaint.at.0)),
    }
}
