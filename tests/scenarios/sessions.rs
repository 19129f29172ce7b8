//! Who is asking, without the app having to say it: the session in the cookie, through gateway and node.

use std::time::Duration;

use codepop_tests::harness::{Gateway, Mesh, PASSWORD};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

/// Time for an event to come: streams look after their session every 2 s.
const SOON: Duration = Duration::from_secs(20);

/// A phone: it keeps cookies by itself and sends nothing else.
struct Phone<'g> {
    gateway: &'g Gateway,
    client: Client,
    cookie: Option<String>,
}

impl<'g> Phone<'g> {
    fn new(gateway: &'g Gateway) -> Self {
        Self { gateway, client: Client::builder().no_proxy().build().unwrap(), cookie: None }
    }

    async fn send(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Response {
        let url = format!("http://{}{path}", self.gateway.address());
        let mut request = self.client.request(method, url).header("content-type", "application/json");
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        for line in response.headers().get_all("set-cookie") {
            let line = line.to_str().unwrap();
            if line.starts_with("codepop_session=") {
                self.cookie =
                    (!line.contains("Max-Age=0")).then(|| line.split(';').next().unwrap_or_default().to_owned());
            }
        }
        response
    }

    async fn get(&mut self, path: &str) -> u16 {
        self.send(Method::GET, path, &[], Value::Null).await.status().as_u16()
    }

    /// Makes an account and logs in, as the app does one after the other.
    async fn sign_up(&mut self, name: &str) -> Value {
        let body = json!({"username": name, "password": PASSWORD, "first_name": "Ada"});
        let made = self.send(Method::POST, "/backend/auth/register/", &[], body.clone()).await;
        assert_eq!(made.status(), 201);
        let logged_in = self.send(Method::POST, "/backend/auth/login/", &[], body).await;
        assert_eq!(logged_in.status(), 200);
        logged_in.json().await.unwrap()
    }
}

/// Reads a stream until it says something.
async fn until(events: &mut Response, text: &str) -> String {
    let mut all = String::new();
    let read = async {
        while !all.contains(text) {
            let chunk = events.chunk().await.unwrap().unwrap_or_else(|| panic!("it ended: {all:?}"));
            all.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    };
    tokio::time::timeout(SOON, read).await.unwrap_or_else(|_| panic!("no {text:?} came"));
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_kept_in_a_cookie_until_the_log_out() {
    let mesh = Mesh::with(1).await;
    let gateway = mesh.gateway(&[1]).await;
    let mut phone = Phone::new(&gateway);
    assert_eq!(phone.get("/backend/users/me/").await, 401);
    let token = phone.sign_up("ada").await["token"].as_str().unwrap().to_owned();
    assert_eq!(phone.get("/backend/users/me/").await, 200, "the cookie says who asks");
    let forged = [("origin", "https://evil.example")];
    assert_eq!(phone.send(Method::GET, "/backend/users/me/", &forged, Value::Null).await.status(), 401);
    let nobody = [("authorization", "Token null")];
    assert_eq!(phone.send(Method::GET, "/backend/users/me/", &nobody, Value::Null).await.status(), 200);
    let bad = [("authorization", "Token old")];
    assert_eq!(phone.send(Method::GET, "/backend/users/me/", &bad, Value::Null).await.status(), 401);

    // Another phone, which has the token but no cookie, gets one.
    let mut other = Phone::new(&gateway);
    let header = [("authorization", format!("Token {token}"))];
    let [(name, value)] = &header;
    assert_eq!(other.send(Method::GET, "/backend/users/me/", &[(name, value)], Value::Null).await.status(), 200);
    assert_eq!(other.cookie, phone.cookie);

    let out = phone.send(Method::POST, "/backend/auth/logout/", &[], Value::Null).await;
    assert_eq!((out.status().as_u16(), phone.cookie.as_deref()), (200, None));
    assert_eq!(other.get("/backend/users/me/").await, 401, "the session is over, wherever its cookie is");
    assert_eq!(other.send(Method::POST, "/backend/auth/logout/", &[], Value::Null).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_come_as_events_until_the_session_ends() {
    let mesh = Mesh::with(1).await;
    let gateway = mesh.gateway(&[1]).await;
    let mut phone = Phone::new(&gateway);
    assert_eq!(phone.get("/backend/notifications/stream/").await, 401, "an ordinary error before the first event");
    let user = phone.sign_up("ada").await["user_id"].as_i64().unwrap();
    let mut events = phone.send(Method::GET, "/backend/notifications/stream/", &[], Value::Null).await;
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let notice = json!({"UserID": user.to_string(), "Message": "Ready.", "Type": "order"});
    assert_eq!(phone.send(Method::POST, "/backend/notifications/", &[], notice).await.status(), 201);
    let event = until(&mut events, "\n\ndata: ").await + &until(&mut events, "\n").await;
    assert!(event.contains(r#""Message":"Ready.""#), "{event}");
    assert_eq!(phone.send(Method::POST, "/backend/auth/logout/", &[], Value::Null).await.status(), 200);
    assert!(until(&mut events, "event: error").await.contains("not_authenticated"));
}
