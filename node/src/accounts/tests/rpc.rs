//! The gRPC face: what is decoded, permitted and encoded.

use codepop_proto::accounts::{
    ChangePasswordRequest, DeleteAccountRequest, GetProfileRequest, LogInRequest, LogOutRequest, RegisterRequest,
    UpdateProfileRequest, accounts_service_server::AccountsService as Service,
};
use codepop_shared::identity::{Kind, SpiffeId};
use tonic::{Request, Response, Status};

use super::*;
use crate::auth::{Actor, reply};

fn request<T>(message: T, user: Option<User>) -> Request<T> {
    let caller =
        SpiffeId { chain: "test".into(), kind: Kind::Gateway, region: "-".into(), number: 0, uuid: Uuid::nil() };
    let here = std::sync::Arc::new(caller.clone());
    let actor = Actor { caller, user, guest: None, client: HOME, rpc: "test", here, hub_heard: true, hub_linked: true };
    let mut request = Request::new(message);
    request.extensions_mut().insert(actor);
    request
}

fn code<T>(answer: Result<T, Status>) -> Code {
    Failure::from(&answer.err().unwrap()).code
}

/// What an answer tells the gateway.
fn told<T>(answer: &Response<T>, name: &str) -> Option<String> {
    answer.metadata().get(name).map(|value| value.to_str().unwrap().to_owned())
}

fn registration() -> RegisterRequest {
    RegisterRequest { username: "Ada".into(), password: "a long secret".into(), ..Default::default() }
}

on_both!(a_whole_life, async |node: Node| {
    let accounts = quick(&node.app);
    let made = Service::register(&accounts, request(registration(), None)).await.unwrap().into_inner();
    let again = LogInRequest { username: "ada".into(), password: "a long secret".into() };
    let logged_in = Service::log_in(&accounts, request(again, None)).await.unwrap();
    assert_eq!(told(&logged_in, reply::STORE), None);
    assert_eq!(told(&logged_in, reply::SESSION), Some(logged_in.get_ref().token.clone()));
    let logged_in = logged_in.into_inner();
    assert_eq!((logged_in.user_id, logged_in.first_name.as_str()), (made.user_id, "Ada"));
    assert_eq!(logged_in.user_role, "ACCOUNT_USER");

    let me = || async { Some(user(&accounts, &logged_in.token).await) };
    let change = UpdateProfileRequest { email: Some("ada@example.com".into()), ..Default::default() };
    let changed = Service::update_profile(&accounts, request(change, me().await)).await.unwrap().into_inner();
    let read = Service::get_profile(&accounts, request(GetProfileRequest {}, me().await)).await.unwrap().into_inner();
    assert_eq!(read.profile, changed.profile);
    let profile = read.profile.unwrap();
    assert_eq!((profile.id, profile.email.as_str(), profile.preferred_store), (made.user_id, "ada@example.com", None));
    assert_eq!(profile.source_node_number, Some(1_000));

    let out = user(&accounts, &made.token).await;
    let left = Service::log_out(&accounts, request(LogOutRequest {}, Some(out))).await.unwrap();
    assert_eq!(told(&left, reply::SESSION), Some(String::new()));
    assert_eq!(left.into_inner().detail, "Logged out.");
    refused(&accounts, &made.token).await;
    // Without a session there is nothing to end.
    let left = Service::log_out(&accounts, request(LogOutRequest {}, None)).await.unwrap();
    assert_eq!(told(&left, reply::SESSION), Some(String::new()));
    let change =
        ChangePasswordRequest { current_password: "a long secret".into(), new_password: "a new secret".into() };
    let changed = Service::change_password(&accounts, request(change, me().await)).await.unwrap();
    assert_eq!(told(&changed, reply::SESSION), Some(changed.get_ref().token.clone()));
    let token = changed.into_inner().token;
    let me = user(&accounts, &token).await;
    let delete = DeleteAccountRequest { password: "a new secret".into() };
    let deleted = Service::delete_account(&accounts, request(delete, Some(me))).await.unwrap();
    assert_eq!(told(&deleted, reply::SESSION), Some(String::new()));
    refused(&accounts, &token).await;
});

on_both!(who_is_kept_by_hubs_logs_out_without_one, async |node: Node| {
    let accounts = quick(&node.app);
    let number = codepop_shared::number::compose(9, 1).unwrap();
    let user = User { number, session: Uuid::now_v7(), expires_at_us: 0, grants: Vec::new() };
    let log_out = async |hub_linked: bool| {
        let mut request = request(LogOutRequest {}, Some(user.clone()));
        request.extensions_mut().get_mut::<Actor>().unwrap().hub_linked = hub_linked;
        Service::log_out(&accounts, request).await
    };
    // The gateway goes to a hub by itself.
    assert_eq!(code(log_out(true).await), Code::AskHub);
    assert_eq!(told(&log_out(false).await.unwrap(), reply::SESSION), Some(String::new()));
});

on_both!(what_is_missing_is_said, async |node: Node| {
    let accounts = quick(&node.app);
    let bad = RegisterRequest { username: " ".into(), password: "short".into(), ..Default::default() };
    let failure = Failure::from(&Service::register(&accounts, request(bad, None)).await.err().unwrap());
    let fields: Vec<&str> = failure.fields.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!((failure.code, fields), (Code::Invalid, vec!["username", "password"]));
    assert_eq!(code(Service::log_in(&accounts, request(LogInRequest::default(), None)).await), Code::Invalid);

    let read = Service::get_profile(&accounts, request(GetProfileRequest {}, None)).await;
    assert_eq!(code(read), Code::NotAuthenticated);
    let change = Service::update_profile(&accounts, request(UpdateProfileRequest::default(), None)).await;
    assert_eq!(code(change), Code::NotAuthenticated);
    let change = Service::change_password(&accounts, request(ChangePasswordRequest::default(), None)).await;
    assert_eq!(code(change), Code::NotAuthenticated);
    let delete = Service::delete_account(&accounts, request(DeleteAccountRequest::default(), None)).await;
    assert_eq!(code(delete), Code::NotAuthenticated);
    // A server that put no actor in is at fault itself.
    assert_eq!(code(Service::register(&accounts, Request::new(registration())).await), Code::Internal);
});

on_both!(the_gateway_is_told_of_the_preferred_store, async |node: Node| {
    let accounts = quick(&node.app);
    let made = Service::register(&accounts, request(registration(), None)).await.unwrap().into_inner();
    let store = Uuid::now_v7().to_string();
    let change = async |wanted: &str| {
        let change = UpdateProfileRequest { preferred_store: Some(wanted.into()), ..Default::default() };
        let me = user(&accounts, &made.token).await;
        told(&Service::update_profile(&accounts, request(change, Some(me))).await.unwrap(), reply::STORE)
    };
    assert_eq!(change(&store).await, Some(store.clone()));
    assert_eq!(change(&store).await, None);
    let log_in = LogInRequest { username: "ada".into(), password: "a long secret".into() };
    let logged_in = Service::log_in(&accounts, request(log_in, None)).await.unwrap();
    assert_eq!(told(&logged_in, reply::STORE), Some(store.clone()));
    assert_eq!(change("").await, Some(String::new()));
});
