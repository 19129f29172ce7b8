//! Receipts on both databases, with a mail server that is a few lines of this file.

use std::sync::atomic::{AtomicUsize, Ordering};

use codepop_proto::receipts::{SendReceiptRequest, receipts_service_server::ReceiptsService as _};
use codepop_shared::{Code, Failure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};
use tonic::{Request, Status};

use super::*;
use crate::{
    accounts::{Accounts, NewAccount, Password, UserName},
    auth::Grant,
    laws, on_both,
    orders::testing::place,
    testing::Node,
};

const GUEST: uuid::Uuid = uuid::Uuid::from_u128(7);

fn request(order: i64, customer: Customer) -> Request<SendReceiptRequest> {
    let mut request = Request::new(SendReceiptRequest { order_id: order });
    let mut actor = laws::actor(customer.user, Vec::<Grant>::new());
    actor.guest = customer.guest;
    request.extensions_mut().insert(actor);
    request
}

async fn ask(receipts: &Receipts, order: i64, customer: Customer) -> Result<String, Status> {
    let rpc = ReceiptsRpc::new(receipts.clone());
    Ok(rpc.send_receipt(request(order, customer)).await?.into_inner().message)
}

fn guest() -> Customer {
    Customer { user: None, guest: Some(GUEST) }
}

on_both!(the_owner_gets_it_once, async |node: Node| {
    let folder = tempfile::tempdir().unwrap();
    let receipts = Receipts::new(node.app.clone(), None, folder.path());
    let order = place(&node, guest(), &[230, 200]).await;
    let stranger = Customer { user: Some(101_000), guest: Some(uuid::Uuid::from_u128(8)) };
    for (number, customer) in [(order, stranger), (order, Customer::default()), (order + 1, guest())] {
        assert_eq!(Failure::from(&ask(&receipts, number, customer).await.unwrap_err()).code, Code::NotFound);
    }
    assert!(ask(&receipts, order, guest()).await.unwrap().contains("on its way"));
    let path = folder.path().join("outbox").join(format!("{order}.eml"));
    let mail = std::fs::read_to_string(&path).unwrap();
    for said in ["$2.30", "$2.00", "$4.30", &order.to_string()] {
        assert!(mail.contains(said), "{said} in {mail}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(ask(&receipts, order, guest()).await.unwrap().contains("before"));
    receipts.look().await.unwrap();
    assert!(!path.exists());
});

async fn customer_with_address(node: &Node) -> Customer {
    let new = NewAccount {
        username: UserName::parse("ada").unwrap(),
        password: Password::new("correct horse battery".into()).unwrap(),
        first_name: String::new(),
        last_name: String::new(),
        email: "ada@example.com".into(),
        preferred_store: None,
    };
    let made = Accounts::new(node.app.clone()).register(&Permit::default(), new).await.unwrap();
    Customer { user: Some(made.user), guest: None }
}

/// A mail server that answers each mail with one of these codes in turn, and counts those that it took.
async fn server(answers: &'static [&'static str]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    tokio::spawn(async move {
        for answer in answers {
            let (stream, _) = listener.accept().await.unwrap();
            if talk(stream, answer).await.is_ok() && answer.starts_with('2') {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (url, taken)
}

/// One mail, as far as RFC 5321 needs it.
async fn talk(stream: tokio::net::TcpStream, answer: &str) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 here\r\n").await?;
    let mut in_data = false;
    while let Some(line) = lines.next_line().await? {
        let says = match line.split(' ').next().unwrap_or_default() {
            "." if in_data => {
                in_data = false;
                format!("{answer}\r\n")
            }
            _ if in_data => continue,
            "DATA" => {
                in_data = true;
                "354 go on\r\n".to_owned()
            }
            "QUIT" => {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "250 ok\r\n".to_owned(),
        };
        write.write_all(says.as_bytes()).await?;
    }
    Ok(())
}

async fn row(node: &Node, order: i64) -> Row {
    node.app.read(move |tx| Box::pin(store::find(tx, order))).await.unwrap().unwrap()
}

/// Lets the next attempt be due now.
async fn due_now(node: &Node, order: i64) {
    let now = node.app.clock().wall();
    let attempts = row(node, order).await.attempts;
    node.db
        .write(move |tx| Box::pin(async move { store::settle(tx, order, DUE, attempts, Some(now)).await }))
        .await
        .unwrap();
}

on_both!(a_server_that_hesitates_is_asked_again, async |node: Node| {
    let folder = tempfile::tempdir().unwrap();
    let (url, taken) = server(&["451 later", "250 taken"]).await;
    let settings = MailSettings::read(&url, "CodePop <receipts@example.com>").unwrap();
    let receipts = Receipts::new(node.app.clone(), Some(settings), folder.path());
    let customer = customer_with_address(&node).await;
    let order = place(&node, customer, &[230]).await;
    ask(&receipts, order, customer).await.unwrap();
    receipts.look().await.unwrap();
    let waiting = row(&node, order).await;
    assert_eq!((waiting.state.as_str(), waiting.attempts), (DUE, 1));
    // Not before its time.
    receipts.look().await.unwrap();
    assert_eq!(row(&node, order).await.attempts, 1);
    due_now(&node, order).await;
    receipts.look().await.unwrap();
    assert_eq!(row(&node, order).await.state, SENT);
    receipts.look().await.unwrap();
    assert_eq!(taken.load(Ordering::SeqCst), 1);
    assert!(!folder.path().join("outbox").exists());
});

#[tokio::test(flavor = "multi_thread")]
async fn what_no_server_takes_goes_into_the_folder() {
    let node = Node::sqlite().await;
    let folder = tempfile::tempdir().unwrap();
    let (url, taken) = server(&["550 no such mailbox"]).await;
    let settings = MailSettings::read(&url, "receipts@example.com").unwrap();
    let receipts = Receipts::new(node.app.clone(), Some(settings), folder.path());
    let customer = customer_with_address(&node).await;
    let order = place(&node, customer, &[230]).await;
    ask(&receipts, order, customer).await.unwrap();
    receipts.look().await.unwrap();
    assert_eq!((row(&node, order).await.state.as_str(), taken.load(Ordering::SeqCst)), (FILED, 0));
    assert!(folder.path().join("outbox").join(format!("{order}.eml")).exists());
    // Nobody is there any more: it is tried so often, and then put away.
    let order = place(&node, customer, &[230]).await;
    ask(&receipts, order, customer).await.unwrap();
    for _ in 0..ATTEMPTS_MAX {
        assert_eq!(row(&node, order).await.state, DUE);
        due_now(&node, order).await;
        receipts.look().await.unwrap();
    }
    assert_eq!(row(&node, order).await.state, FILED);
}

#[test]
fn waits_double() {
    assert_eq!([1, 2, 3].map(|attempt| wait(attempt).num_seconds()), [30, 60, 120]);
    assert!(wait(i32::MAX) < TimeDelta::hours(2) && wait(0) == WAIT_FIRST);
}
