//! The generator as a service, on both databases.

use std::sync::Arc;

use codepop_proto::{
    generator::{self as pb, generator_service_server::GeneratorService as _},
    preferences::{CreatePreferenceRequest, preferences_service_server::PreferencesService as _},
};
use codepop_shared::{Code, Failure, geo::Place};
use tonic::{Request, Status};

use super::*;
use crate::{
    auth::Permit,
    inventory::Wanted,
    laws, on_both,
    preferences::PreferencesRpc,
    stores::{Described, describe_self},
    testing::Node,
};

const ADA: i64 = 101_000;

/// Drinks tried: every choice of five comes up.
const TRIES: usize = 60;

/// So much was ordered.
struct Fashion(&'static [&'static str]);

impl Popularity for Fashion {
    fn popular<'a>(&'a self, _tx: &'a mut Tx) -> BoxFuture<'a, Result<Vec<String>, storage::Error>> {
        Box::pin(std::future::ready(Ok(self.0.iter().map(|name| (*name).to_owned()).collect())))
    }
}

fn by<M>(user: Option<i64>, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(laws::actor(user, Vec::new()));
    request
}

async fn generate(
    service: &GeneratorRpc,
    session: Option<i64>,
    user_id: Option<i64>,
    dislikes: &[&str],
) -> Result<pb::GenerateDrinkResponse, Status> {
    let dislikes = dislikes.iter().map(|name| (*name).to_owned()).collect();
    let request = pb::GenerateDrinkRequest { user_id, dislikes };
    Ok(service.generate_drink(by(session, request)).await?.into_inner())
}

async fn syrups(service: &GeneratorRpc, session: Option<i64>, user_id: Option<i64>) -> HashSet<String> {
    let mut found = HashSet::new();
    for _ in 0..TRIES {
        found.extend(generate(service, session, user_id, &[]).await.unwrap().syrups_used);
    }
    found
}

async fn prefers(node: &Node, user: i64, name: &str) {
    let service = PreferencesRpc::new(node.app.clone());
    let request = CreatePreferenceRequest { user_id: None, preference: name.into() };
    service.create_preference(by(Some(user), request)).await.unwrap();
}

fn set(names: &[&str]) -> HashSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const SPICE: &[&str] = &["pumpkin spice", "peppermint", "irish cream", "gingerbread", "butterbrew mix"];

on_both!(likes_are_the_callers_own, async |node: Node| {
    let service = GeneratorRpc::new(node.app.clone(), Arc::new(Ordered));
    prefers(&node, ADA, "Gingerbread").await;
    for named in [None, Some(ADA)] {
        assert_eq!(syrups(&service, Some(ADA), named).await, set(SPICE));
    }
    // Nobody learns what others like: who is not the user is a guest.
    for (session, named) in [(None, Some(ADA)), (Some(201_000), Some(ADA)), (None, None), (Some(201_000), None)] {
        assert!(!syrups(&service, session, named).await.is_subset(&set(SPICE)));
    }
    let drink = generate(&service, Some(ADA), None, &["Irish  Cream"]).await.unwrap();
    assert!(!drink.syrups_used.contains(&"irish cream".to_owned()));
    assert_eq!((drink.size.as_str(), drink.ice.as_str(), drink.user_created), ("24oz", "regular", false));
    let refused = Failure::from(&generate(&service, Some(ADA), None, &["gingerbread"]).await.unwrap_err());
    assert_eq!(refused.code, Code::Invalid);
    let many = vec!["x"; 101];
    assert_eq!(Failure::from(&generate(&service, None, None, &many).await.unwrap_err()).fields[0].0, "dislikes");
});

on_both!(guests_get_what_is_ordered_most, async |node: Node| {
    let popular = GeneratorRpc::new(node.app.clone(), Arc::new(Fashion(&["Coke", "Gingerbread", "Peppermint", "Ice"])));
    assert_eq!(syrups(&popular, None, None).await, set(SPICE));
    // One order is no fashion.
    let first = GeneratorRpc::new(node.app.clone(), Arc::new(Fashion(&["Gingerbread"])));
    assert!(!syrups(&first, None, None).await.is_subset(&set(SPICE)));
});

on_both!(what_the_store_has_run_out_of_is_avoided, async |node: Node| {
    let place = Place::new(41.74, -111.83).unwrap();
    let described =
        Described { name: "own".into(), place, api_base_url: String::new(), time_zone: None, region_name: None };
    describe_self(&node.app, described).await.unwrap();
    let store = node.app.author().id.uuid;
    let stock = async |name: &str, quantity| {
        let wanted = Wanted { name: name.into(), kind: Kind::Syrup, quantity, threshold: None };
        inventory::set(&node.app, &Permit::default(), store, wanted).await.map(drop)
    };
    prefers(&node, ADA, "gingerbread").await;
    let service = GeneratorRpc::new(node.app.clone(), Arc::new(Ordered));
    stock("Peppermint", 3).await.unwrap();
    stock("Gingerbread", 0).await.unwrap();
    stock("Irish Cream", 1).await.unwrap();
    assert_eq!(syrups(&service, Some(ADA), None).await, set(&["peppermint", "irish cream"]));
});

#[test]
fn the_most_ordered_come_first() {
    let lists = [r#"["Mango","Vanilla"]"#, r#"["vanilla"]"#, "[]", "no json", r#"["Guava"]"#];
    assert_eq!(most_ordered(lists.into_iter()), ["vanilla", "guava", "mango"]);
}
