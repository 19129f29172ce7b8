//! Stripe's side of it, against localstripe as a real server: what the phone does, what we ask, what is left there.

use std::{
    io::BufRead as _,
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime},
};

use codepop_proto::payments::{ReceiveStripeEventRequest, payments_service_server::PaymentsService as _};
use codepop_shared::{Code, Failure};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tonic::Request;

use super::*;

/// Time for the server to start and for its events to come: a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

const GOOD_CARD: &str = "4242424242424242";

/// Can be attached, and is declined when it is charged.
const BAD_CARD: &str = "4000000000000341";

const WEBHOOK_SECRET: &str = "whsec_of_a_test";

/// localstripe, and what stands in front of it. Ends with the test.
struct Server {
    child: Child,
    front: u16,
    behind: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    async fn start() -> Self {
        let python = std::env::var("CODEPOP_PYTHON")
            .expect("CODEPOP_PYTHON names a Python with localstripe; ./scripts/test.sh installs and names it");
        let mut command = Command::new(python);
        command.args(["-c", include_str!("stand_in.py")]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            output.read_line(&mut line).map(|_| line)
        });
        let line = tokio::time::timeout(DEADLINE, reading).await.unwrap().unwrap().unwrap();
        let (front, behind) = line.trim().split_once(' ').expect("localstripe starts");
        Self { front: front.parse().unwrap(), behind: behind.parse().unwrap(), child }
    }

    fn settings(&self) -> StripeSettings {
        StripeSettings {
            secret_key: Secret::new("sk_test_of_the_node"),
            publishable_key: "pk_test_of_the_phone".into(),
            webhook_secret: Some(Secret::new(WEBHOOK_SECRET)),
            base: format!("http://127.0.0.1:{}", self.front),
        }
    }

    fn payments(&self, node: &Node) -> Payments {
        Payments::new(node.app.clone(), Settings::Stripe(self.settings()))
    }

    /// Asks localstripe itself.
    async fn ask(&self, method: &str, path: &str, form: &str) -> (u16, Value) {
        exchange(self.behind, method, path, form).await
    }

    async fn intent(&self, id: &str) -> Value {
        self.ask("GET", &format!("/v1/payment_intents/{id}"), "").await.1
    }

    /// What was given back of an intent, in cents.
    async fn refunds(&self, id: &str) -> Vec<i64> {
        let (_, list) = self.ask("GET", &format!("/v1/refunds?payment_intent={id}"), "").await;
        list["data"].as_array().unwrap().iter().map(|refund| refund["amount"].as_i64().unwrap()).collect()
    }

    /// Pays as the phone does: with a card, the intent is confirmed. The status of the answer.
    async fn pay(&self, id: &str, card: &str) -> u16 {
        let form = format!("type=card&card[number]={card}&card[exp_month]=12&card[exp_year]=2040&card[cvc]=123");
        let (_, method) = self.ask("POST", "/v1/payment_methods", &form).await;
        let form = format!("payment_method={}", method["id"].as_str().unwrap());
        assert_eq!(self.ask("POST", &format!("/v1/payment_intents/{id}"), &form).await.0, 200);
        self.ask("POST", &format!("/v1/payment_intents/{id}/confirm"), "").await.0
    }

    /// Lets the answer to the next call with this in its path be lost, after it was carried out.
    async fn lose_answer(&self, path: &str) {
        exchange(self.front, "POST", "/_mute", path).await;
    }
}

/// One call over a connection of its own.
async fn exchange(port: u16, method: &str, path: &str, form: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\nauthorization: Bearer sk_test_of_the_test\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn id_of(prepared: &Prepared) -> &str {
    prepared.payment_intent.split("_secret_").next().unwrap()
}

on_both!(the_phone_pays_and_the_money_moves, |node: Node| async move {
    let server = Server::start().await;
    let payments = server.payments(&node);
    let prepared = payments.prepare(guest(1), amount(230), None).await.unwrap();
    assert_eq!(prepared.ephemeral_key, format!("ek_test_{}", prepared.customer));
    assert_eq!((prepared.publishable_key.as_str(), prepared.provider.as_str()), ("pk_test_of_the_phone", "stripe"));
    let again = payments.prepare(guest(1), amount(230), None).await.unwrap();
    assert_eq!((&prepared.payment_intent, &prepared.customer), (&again.payment_intent, &again.customer));
    let (secret, id) = (&prepared.payment_intent, id_of(&prepared));
    let intent = server.intent(id).await;
    assert_eq!((intent["amount"].as_i64(), intent["currency"].as_str()), (Some(230), Some("usd")));
    assert_eq!(intent["metadata"]["store"], node.app.author().id.uuid.to_string());
    assert!(matches!(payments.check(secret, guest(1)).await, Err(Error::NotPaid(_))), "nobody has paid yet");

    assert_eq!(server.pay(id, GOOD_CARD).await, 200);
    assert_eq!(server.intent(id).await["status"], "requires_capture");
    let fresh = payments.prepare(guest(1), amount(230), None).await.unwrap();
    assert_ne!(fresh.payment_intent, *secret, "what is paid cannot be paid again");
    let checked = payments.check(secret, guest(1)).await.unwrap();
    assert!(matches!(payments.check(secret, guest(2)).await, Err(Error::NotPaid(_))));
    assert!(matches!(claimed(&payments, &checked, 1, 231).await, Err(Error::NotPaid(_))), "the wrong amount");
    assert_eq!(claimed(&payments, &checked, 1, 230).await.unwrap(), Claim::New);
    settle_after(&payments, TimeDelta::zero()).await;
    assert_eq!(server.intent(id).await["status"], "succeeded");
    assert_eq!(status_of(&payments, 1).await.state, State::Captured);

    given_back(&payments, 1, Some(100)).await.unwrap();
    settle_after(&payments, TimeDelta::zero()).await;
    given_back(&payments, 1, None).await.unwrap();
    settle_after(&payments, TimeDelta::zero()).await;
    let mut refunds = server.refunds(id).await;
    refunds.sort_unstable();
    assert_eq!(refunds, [100, 130]);
    assert_eq!((status_of(&payments, 1).await.refunded, earned(&payments).await), (230, (230, 230)));
});

on_both!(a_declined_card_pays_nothing, |node: Node| async move {
    let server = Server::start().await;
    let payments = server.payments(&node);
    let prepared = payments.prepare(guest(1), price(), None).await.unwrap();
    assert_eq!(server.pay(id_of(&prepared), BAD_CARD).await, 402);
    assert!(matches!(payments.check(&prepared.payment_intent, guest(1)).await, Err(Error::NotPaid(_))));
    settle_after(&payments, TimeDelta::minutes(16)).await;
    assert_eq!(server.intent(id_of(&prepared)).await["status"], "canceled");
});

on_both!(held_money_without_an_order_is_let_go, |node: Node| async move {
    let server = Server::start().await;
    let payments = server.payments(&node);
    let prepared = payments.prepare(guest(1), price(), None).await.unwrap();
    assert_eq!(server.pay(id_of(&prepared), GOOD_CARD).await, 200);
    let checked = payments.check(&prepared.payment_intent, guest(1)).await.unwrap();
    payments.let_go(&checked).await.unwrap();
    settle_after(&payments, TimeDelta::zero()).await;
    assert_eq!(server.intent(id_of(&prepared)).await["status"], "canceled");
    assert!(matches!(claimed(&payments, &checked, 1, 460).await, Err(Error::NotPaid(_))));
});

on_both!(lost_answers_move_no_money_twice, |node: Node| async move {
    let server = Server::start().await;
    let payments = server.payments(&node);
    let prepared = payments.prepare(guest(1), price(), None).await.unwrap();
    let id = id_of(&prepared);
    server.pay(id, GOOD_CARD).await;
    let checked = payments.check(&prepared.payment_intent, guest(1)).await.unwrap();
    claimed(&payments, &checked, 1, 460).await.unwrap();
    server.lose_answer("/capture").await;
    payments.settle_due(payments.app.clock().wall()).await.unwrap();
    assert_eq!(server.intent(id).await["status"], "succeeded");
    assert_eq!(status_of(&payments, 1).await.state, State::Capturing);
    // With a new key Stripe says that it was done before.
    settle_after(&payments, TimeDelta::minutes(1)).await;
    assert_eq!(status_of(&payments, 1).await.state, State::Captured);
    given_back(&payments, 1, Some(60)).await.unwrap();
    server.lose_answer("/refunds").await;
    payments.settle_due(payments.app.clock().wall()).await.unwrap();
    assert_eq!((server.refunds(id).await, earned(&payments).await), (vec![60], (460, 0)));
    settle_after(&payments, TimeDelta::minutes(1)).await;
    assert_eq!((server.refunds(id).await, earned(&payments).await), (vec![60], (460, 60)));
});

on_both!(without_stripe_nothing_is_taken, |node: Node| async move {
    let server = Server::start().await;
    let mut settings = server.settings();
    settings.secret_key = Secret::new("rk_unknown");
    let payments = Payments::new(node.app.clone(), Settings::Stripe(settings.clone()));
    assert!(matches!(payments.prepare(guest(1), price(), None).await, Err(Error::Provider)), "the wrong key");
    // What was simulated before pays for nothing now.
    let simulated = Payments::new(node.app.clone(), Settings::Simulated);
    let free = simulated.prepare(guest(1), price(), None).await.unwrap();
    assert!(matches!(server.payments(&node).check(&free.payment_intent, guest(1)).await, Err(Error::NotPaid(_))));
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    settings.base = format!("http://{closed}");
    let payments = Payments::new(node.app.clone(), Settings::Stripe(settings));
    assert!(matches!(payments.prepare(guest(1), price(), None).await, Err(Error::Provider)), "nobody there");
});

/// The next request that somebody makes, as its head and body.
async fn next_request(listener: &TcpListener) -> (String, Vec<u8>) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        stream.read_line(&mut head).await.unwrap();
    }
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).unwrap()
    };
    let mut body = vec![0; header("content-length").parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    (header("stripe-signature"), body)
}

on_both!(an_event_is_a_reason_to_ask, |node: Node| async move {
    let server = Server::start().await;
    let payments = server.payments(&node);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let form = format!("url=http://{}&secret={WEBHOOK_SECRET}", listener.local_addr().unwrap());
    assert_eq!(server.ask("POST", "/_config/webhooks/test", &form).await.0, 200);
    let prepared = payments.prepare(guest(1), price(), None).await.unwrap();
    server.pay(id_of(&prepared), GOOD_CARD).await;
    let checked = payments.check(&prepared.payment_intent, guest(1)).await.unwrap();
    claimed(&payments, &checked, 1, 460).await.unwrap();
    // The answers get lost: the capture is done there, and will be asked about much later here.
    let now = payments.app.clock().wall();
    for moment in [now, now + TimeDelta::minutes(10)] {
        server.lose_answer("/capture").await;
        payments.settle_due(moment).await.unwrap();
    }
    settle_after(&payments, TimeDelta::minutes(1)).await;
    assert_eq!(status_of(&payments, 1).await.state, State::Capturing);
    let (signature, payload) = loop {
        let (signature, payload) = tokio::time::timeout(DEADLINE, next_request(&listener)).await.unwrap();
        if String::from_utf8_lossy(&payload).contains("payment_intent.succeeded") {
            break (signature, payload);
        }
    };
    let rpc = PaymentsRpc::new(payments.clone());
    let store_id = node.app.author().id.uuid.to_string();
    let event = |store_id: &str, signature: &str| {
        let (store_id, signature, payload) = (store_id.to_owned(), signature.to_owned(), payload.clone());
        Request::new(ReceiveStripeEventRequest { store_id, payload, signature })
    };
    let refused = async |store_id: &str, signature: &str| {
        Failure::from(&rpc.receive_stripe_event(event(store_id, signature)).await.unwrap_err()).code
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(refused(&store_id, &format!("t={now},v1=00")).await, Code::Invalid);
    assert_eq!(refused(&Uuid::nil().to_string(), &signature).await, Code::NotFound);
    assert!(rpc.receive_stripe_event(event(&store_id, &signature)).await.unwrap().into_inner().received);
    settle_after(&payments, TimeDelta::zero()).await;
    assert_eq!(status_of(&payments, 1).await.state, State::Captured);
});
