//! The gRPC face of the generator.

use std::sync::Arc;

use codepop_proto::generator::{self as pb, generator_service_server::GeneratorService};
use codepop_shared::{Code, Failure};
use rand::{SeedableRng as _, rngs::StdRng};
use tonic::{Request, Response, Status, async_trait};

use super::{Popularity, compose};
use crate::{
    app::{App, edge::storage_failure},
    auth::Actor,
};

/// Dislikes in one request: more than there are ingredients.
const DISLIKES_MAX: usize = 100;

/// Longest name of a dislike, in bytes.
const NAME_MAX: usize = 255;

/// Serves `GeneratorService`.
pub struct GeneratorRpc {
    app: App,
    popularity: Arc<dyn Popularity>,
}

impl GeneratorRpc {
    /// The service, and who knows what is ordered most.
    pub fn new(app: App, popularity: Arc<dyn Popularity>) -> Self {
        Self { app, popularity }
    }
}

#[async_trait]
impl GeneratorService for GeneratorRpc {
    async fn generate_drink(
        &self,
        request: Request<pb::GenerateDrinkRequest>,
    ) -> Result<Response<pb::GenerateDrinkResponse>, Status> {
        let session = Actor::of(&request)?.user.map(|user| user.number);
        let pb::GenerateDrinkRequest { user_id, dislikes } = request.into_inner();
        if dislikes.len() > DISLIKES_MAX || dislikes.iter().any(|name| name.len() > NAME_MAX) {
            let problem = format!("must be at most {DISLIKES_MAX} names of at most {NAME_MAX} bytes");
            Err(Failure::invalid("dislikes", problem))?;
        }
        // What others like is nobody's business: who names another user is a guest.
        let user = session.filter(|own| user_id.is_none_or(|named| named == *own));
        let popularity = Arc::clone(&self.popularity);
        let taste = self
            .app
            .read(move |tx| Box::pin(async move { super::taste(tx, popularity.as_ref(), user, &dislikes).await }));
        let taste = taste.await.map_err(|error| storage_failure(&error))?;
        let mut rng = StdRng::from_seed(rand::random());
        let Some(drink) = compose(&taste, &mut rng) else {
            let detail = "There is no syrup among the preferences that may be used; add one that you like.";
            return Err(Failure::new(Code::Invalid, detail).into());
        };
        let names = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        Ok(Response::new(pb::GenerateDrinkResponse {
            syrups_used: names(drink.syrups),
            soda_used: drink.soda.to_owned(),
            add_ins: names(drink.add_ins),
            size: "24oz".to_owned(),
            ice: "regular".to_owned(),
            user_created: false,
        }))
    }
}
