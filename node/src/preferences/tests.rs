//! Preferences on both databases.

use codepop_proto::preferences::preferences_service_server::PreferencesService as _;
use tonic::{Request, Status};

use super::*;
use crate::{
    accounts::{Accounts, NewAccount, Password, UserName},
    auth::{Permit, User},
    laws, on_both,
    testing::Node,
};

const ADA: i64 = 101_000;
const BOB: i64 = 201_000;

fn by<M>(user: i64, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(laws::actor(Some(user), Vec::new()));
    request
}

fn failure(refused: Result<impl std::fmt::Debug, Status>) -> Failure {
    Failure::from(&refused.map(drop).unwrap_err())
}

async fn create(service: &PreferencesRpc, user: i64, named: Option<i64>, name: &str) -> Result<pb::Preference, Status> {
    let request = pb::CreatePreferenceRequest { user_id: named, preference: name.into() };
    let made = service.create_preference(by(user, request)).await?;
    Ok(made.into_inner().preference.unwrap())
}

async fn names(service: &PreferencesRpc, user: i64) -> Vec<String> {
    let listed = service.list_preferences(by(user, pb::ListPreferencesRequest { user_id: None })).await.unwrap();
    listed.into_inner().preferences.into_iter().map(|preference| preference.preference).collect()
}

on_both!(everybody_has_the_own_alone, async |node: Node| {
    let service = PreferencesRpc::new(node.app.clone());
    let mango = create(&service, ADA, Some(ADA), " Mango").await.unwrap();
    assert_eq!((mango.user_id, mango.preference.as_str()), (ADA, "mango"));
    assert_eq!(create(&service, ADA, None, "MANGO").await.unwrap(), mango);
    create(&service, ADA, None, "Dr. Pepper").await.unwrap();
    assert_eq!(names(&service, ADA).await, ["mango", "dr. pepper"]);
    assert_eq!(names(&service, BOB).await, [] as [&str; 0]);
    assert_eq!(failure(create(&service, BOB, Some(ADA), "mango").await).code, Code::Forbidden);
    let list = pb::ListPreferencesRequest { user_id: Some(ADA) };
    assert_eq!(failure(service.list_preferences(by(BOB, list)).await).code, Code::Forbidden);
    let id = mango.preference_id;
    let get = |user| service.get_preference(by(user, pb::GetPreferenceRequest { preference_id: id }));
    let delete = |user| service.delete_preference(by(user, pb::DeletePreferenceRequest { preference_id: id }));
    assert_eq!(get(ADA).await.unwrap().into_inner().preference.unwrap(), mango);
    assert_eq!(failure(get(BOB).await).code, Code::NotFound);
    assert_eq!(failure(delete(BOB).await).code, Code::NotFound);
    delete(ADA).await.unwrap();
    assert_eq!(failure(get(ADA).await).code, Code::NotFound);
    assert_eq!(names(&service, ADA).await, ["dr. pepper"]);
    let again = create(&service, ADA, None, "mango").await.unwrap();
    assert_ne!(again.preference_id, id);
});

on_both!(another_ingredient_takes_the_place, async |node: Node| {
    let service = PreferencesRpc::new(node.app.clone());
    let id = create(&service, ADA, None, "mango").await.unwrap().preference_id;
    let update = |user, name: &str| {
        let request = pb::UpdatePreferenceRequest { preference_id: id, user_id: None, preference: name.into() };
        service.update_preference(by(user, request))
    };
    assert_eq!(failure(update(BOB, "guava").await).code, Code::NotFound);
    let refused = failure(update(ADA, "Gravel").await);
    assert_eq!((refused.code, refused.fields[0].0.as_str()), (Code::Invalid, "Preference"));
    assert!(refused.detail.contains("gravel"));
    assert_eq!(update(ADA, "mango").await.unwrap().into_inner().preference.unwrap().preference_id, id);
    let new = update(ADA, "Guava").await.unwrap().into_inner().preference.unwrap();
    assert!(new.preference_id != id && new.preference == "guava");
    assert_eq!(names(&service, ADA).await, ["guava"]);
});

on_both!(two_nodes_that_add_the_same_leave_one_row, async |node: Node| {
    use crate::journal::{Replicated as _, Stamp};
    let service = PreferencesRpc::new(node.app.clone());
    let here = create(&service, ADA, None, "mango").await.unwrap();
    let there = pb::PreferenceAdded { user: ADA, preference: 701_001, name: "mango".into() };
    let stamp = Stamp { hlc: node.app.clock().tick(), origin: uuid::Uuid::nil(), stream: 9, seq: 1 };
    node.db.receive(move |tx| Box::pin(async move { there.apply(tx, &stamp).await })).await.unwrap();
    let found = node.app.read(|tx| Box::pin(list(tx, ADA))).await.unwrap();
    assert_eq!(found, [Preference { id: 701_001, user: ADA, name: "mango".into() }]);
    let get = pb::GetPreferenceRequest { preference_id: here.preference_id };
    assert_eq!(failure(service.get_preference(by(ADA, get)).await).code, Code::NotFound);
});

on_both!(they_go_with_the_user, async |node: Node| {
    let service = PreferencesRpc::new(node.app.clone());
    let accounts = Accounts::new(node.app.clone());
    let password = || Password::new("correct horse battery".into()).unwrap();
    let new = NewAccount {
        username: UserName::parse("ada").unwrap(),
        password: password(),
        first_name: String::new(),
        last_name: String::new(),
        email: String::new(),
        preferred_store: None,
    };
    let ada = accounts.register(&Permit::default(), new).await.unwrap();
    create(&service, ada.user, None, "mango").await.unwrap();
    let user: User = crate::accounts::authenticate(&node.app, &ada.token).await.unwrap().user.unwrap();
    let client = [127, 0, 0, 1].into();
    accounts.delete(&Permit::plain(Some(ada.user)), client, &user, password()).await.unwrap();
    node.db.receive(|tx| Box::pin(forget_deleted(tx))).await.unwrap();
    assert_eq!(names(&service, ada.user).await, [] as [&str; 0]);
    assert_eq!(failure(create(&service, ada.user, None, "mango").await).code, Code::NotAuthenticated);
});

#[tokio::test]
async fn a_store_adds_nothing_for_accounts_of_hubs() {
    let node = Node::sqlite().await;
    let service = PreferencesRpc::new(node.app.clone());
    let hub_born = number::compose(1, 3).unwrap();
    assert_eq!(failure(create(&service, hub_born, None, "mango").await).code, Code::AskHub);
}
