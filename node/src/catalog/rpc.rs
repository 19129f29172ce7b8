//! The gRPC face of drinks and favourites.

use codepop_proto::{
    catalog::{self as pb, catalog_service_server::CatalogService},
    options::Permission,
};
use codepop_shared::{Code, Failure, identity::Kind};
use tonic::{Request, Response, Status, async_trait};

use super::{
    Drink, Error, Owner, Recipe,
    money::Cents,
    ratings,
    recipe::{self, Ice, Size},
};
use crate::{
    app::{App, edge::Problems, once::Once},
    auth::{Actor, Customer, Permit, Place},
    storage,
};

/// Serves `CatalogService`.
pub struct CatalogRpc {
    app: App,
}

impl CatalogRpc {
    /// The service.
    pub fn new(app: App) -> Self {
        Self { app }
    }

    /// Drinks as the caller sees them, with their ratings: of all favourites only the own are shown.
    async fn view(&self, drinks: Vec<Drink>, user: Option<i64>) -> Result<Vec<pb::Drink>, Failure> {
        let ids: Vec<i64> = drinks.iter().map(|drink| drink.id).collect();
        let read = self.app.read(move |tx| {
            Box::pin(async move {
                let favorites = match user {
                    Some(user) => super::favorites_among(tx, user, ids.clone()).await?,
                    None => Vec::new(),
                };
                Ok((favorites, super::means(tx, ids).await?))
            })
        });
        let (favorites, ratings) = read.await.map_err(|error: storage::Error| Error::from(error))?;
        let own = |id: i64| user.filter(|_| favorites.contains(&id));
        Ok(drinks.iter().map(|drink| view(drink, own(drink.id), ratings.get(&drink.id).copied())).collect())
    }

    async fn view_one(&self, drink: Drink, user: Option<i64>) -> Result<Option<pb::Drink>, Failure> {
        Ok(self.view(vec![drink], user).await?.pop())
    }

    /// Leave to change a drink, and as whose.
    async fn leave(&self, actor: &Actor, id: i64) -> Result<(Permit, Owner), Failure> {
        let owner = self.app.read(move |tx| Box::pin(super::owner(tx, id))).await?;
        match owner {
            Owner::Chain => Ok((self.leave_for_catalogue(actor)?.about("drink", id), owner)),
            owner if owner.is(&actor.customer()) => Ok((actor.public(), owner)),
            _ => Err(Error::Unknown(id).into()),
        }
    }

    /// A drink that the customer may see, from wherever it is.
    async fn drink(&self, id: i64, customer: &Customer) -> Result<Drink, Failure> {
        let found = super::drinks_from_anywhere(&self.app, vec![id], customer).await;
        let drink = found.map_err(Error::from)?.remove(&id);
        drink.ok_or_else(|| Error::Unknown(id).into())
    }

    /// Rates a drink and changes nothing else. A guest's rating is not kept: one guest could rate without end.
    async fn rate(&self, actor: &Actor, id: i64, rating: f64) -> Result<pb::UpdateDrinkResponse, Failure> {
        let stars = ratings::stars(rating).map_err(|problem| Failure::invalid("Rating", problem))?;
        let drink = self.drink(id, &actor.customer()).await?;
        if let Some(user) = user(actor) {
            super::rate(&self.app, &actor.public(), user, id, stars).await?;
        }
        Ok(pb::UpdateDrinkResponse { drink: self.view_one(drink, user(actor)).await? })
    }

    /// Leave to change the catalogue, which hubs alone can do.
    fn leave_for_catalogue(&self, actor: &Actor) -> Result<Permit, Failure> {
        let is_hub = self.app.author().id.kind == Kind::Hub;
        match actor.may(Permission::CatalogWrite, &Place::Chain) {
            // A store that has not heard of a hub cannot judge; the hub can.
            Err(failure) if failure.code == Code::HubNeeded && !is_hub => Err(Error::AskHub.into()),
            Ok(_) if !is_hub => Err(Error::AskHub.into()),
            decided => decided,
        }
    }
}

fn user(actor: &Actor) -> Option<i64> {
    actor.user.as_ref().map(|user| user.number)
}

fn view(drink: &Drink, favorite_of: Option<i64>, rating: Option<f64>) -> pb::Drink {
    let Recipe { name, syrups, sodas, add_ins, price, size, ice } = &drink.recipe;
    pb::Drink {
        drink_id: drink.id,
        name: name.clone(),
        syrups_used: syrups.clone(),
        soda_used: sodas.clone(),
        add_ins: add_ins.clone(),
        rating,
        price: price.dollars(),
        size: size.word().to_owned(),
        ice: ice.word().to_owned(),
        user_created: drink.user_created,
        favorite: favorite_of.into_iter().collect(),
    }
}

#[async_trait]
impl CatalogService for CatalogRpc {
    async fn list_drinks(
        &self,
        request: Request<pb::ListDrinksRequest>,
    ) -> Result<Response<pb::ListDrinksResponse>, Status> {
        let actor = Actor::of(&request)?;
        let drinks = self.app.read(|tx| Box::pin(super::list(tx))).await.map_err(Error::from).map_err(Failure::from)?;
        Ok(Response::new(pb::ListDrinksResponse { drinks: self.view(drinks, user(&actor)).await? }))
    }

    async fn get_drink(&self, request: Request<pb::GetDrinkRequest>) -> Result<Response<pb::GetDrinkResponse>, Status> {
        let actor = Actor::of(&request)?;
        let drink = self.drink(request.get_ref().drink_id, &actor.customer()).await?;
        Ok(Response::new(pb::GetDrinkResponse { drink: self.view_one(drink, user(&actor)).await? }))
    }

    async fn create_drink(
        &self,
        request: Request<pb::CreateDrinkRequest>,
    ) -> Result<Response<pb::CreateDrinkResponse>, Status> {
        let actor = Actor::of(&request)?;
        let once = Once::of(&request, "CreateDrink")?;
        let (recipe, by_customer) = new_drink(&request.into_inner())?;
        let (permit, owner) = if by_customer {
            // The gate began a session where there was none.
            (actor.public(), actor.has_session().then(|| Owner::of(&actor.customer())).ok_or_else(not_authenticated)?)
        } else {
            (self.leave_for_catalogue(&actor)?, Owner::Chain)
        };
        let drink = super::create(&self.app, &permit, owner, recipe, once).await.map_err(Failure::from)?;
        Ok(Response::new(pb::CreateDrinkResponse { drink: Some(view(&drink, None, None)) }))
    }

    async fn update_drink(
        &self,
        request: Request<pb::UpdateDrinkRequest>,
    ) -> Result<Response<pb::UpdateDrinkResponse>, Status> {
        let actor = Actor::of(&request)?;
        let request = request.into_inner();
        if let Some(rating) = request.rating {
            return Ok(Response::new(self.rate(&actor, request.drink_id, rating).await?));
        }
        let (permit, owner) = self.leave(&actor, request.drink_id).await?;
        let change = change(&request, owner == Owner::Chain)?;
        let updated = super::update(&self.app, &permit, owner, request.drink_id, |old| change.apply(old)).await;
        let drink = updated.map_err(Failure::from)?;
        Ok(Response::new(pb::UpdateDrinkResponse { drink: self.view_one(drink, user(&actor)).await? }))
    }

    async fn delete_drink(
        &self,
        request: Request<pb::DeleteDrinkRequest>,
    ) -> Result<Response<pb::DeleteDrinkResponse>, Status> {
        let actor = Actor::of(&request)?;
        let id = request.get_ref().drink_id;
        let gone = self.app.read(move |tx| Box::pin(super::is_guests_and_gone(tx, id))).await;
        if gone.map_err(Error::from).map_err(Failure::from)? {
            return Ok(Response::new(pb::DeleteDrinkResponse {}));
        }
        let (permit, owner) = self.leave(&actor, id).await?;
        super::delete(&self.app, &permit, owner, id).await.map_err(Failure::from)?;
        Ok(Response::new(pb::DeleteDrinkResponse {}))
    }

    async fn list_favorites(
        &self,
        request: Request<pb::ListFavoritesRequest>,
    ) -> Result<Response<pb::ListFavoritesResponse>, Status> {
        let actor = Actor::of(&request)?;
        let user = actor.user_is(request.get_ref().user_id)?.number;
        let drinks = self.app.read(move |tx| Box::pin(super::favorites(tx, user))).await;
        let drinks = drinks.map_err(Error::from).map_err(Failure::from)?;
        Ok(Response::new(pb::ListFavoritesResponse { drinks: self.view(drinks, Some(user)).await? }))
    }

    async fn add_favorite(
        &self,
        request: Request<pb::AddFavoriteRequest>,
    ) -> Result<Response<pb::AddFavoriteResponse>, Status> {
        let actor = Actor::of(&request)?;
        let request = request.into_inner();
        let user = actor.user_is(request.user_id)?.number;
        let (id, customer) = (request.drink_id, actor.customer());
        let fetched = super::fetch_missing(&self.app, &[id], &customer).await;
        let fetched = fetched.map_err(Error::from).map_err(Failure::from)?.pop();
        let added = super::add_favorite(&self.app, &actor.public(), (user, customer), id, fetched).await;
        let existed = added.map_err(Failure::from)?;
        Ok(Response::new(pb::AddFavoriteResponse { status: "added".to_owned(), existed }))
    }

    async fn remove_favorite(
        &self,
        request: Request<pb::RemoveFavoriteRequest>,
    ) -> Result<Response<pb::RemoveFavoriteResponse>, Status> {
        let actor = Actor::of(&request)?;
        let request = request.into_inner();
        let user = actor.user_is(request.user_id)?.number;
        let removed = super::remove_favorite(&self.app, &actor.public(), user, request.drink_id).await;
        removed.map_err(Failure::from)?;
        Ok(Response::new(pb::RemoveFavoriteResponse {}))
    }
}

fn not_authenticated() -> Failure {
    Failure::new(Code::NotAuthenticated, "This needs a session, and there is none.")
}

/// What a new drink is made of, and whether a customer makes it. What a phone says of the price of a customer's drink is
/// not even looked at.
fn new_drink(request: &pb::CreateDrinkRequest) -> Result<(Recipe, bool), Failure> {
    let mut problems = Problems::default();
    let price = match (request.user_created, request.price) {
        (Some(true), _) => Ok(Cents::ZERO),
        (_, price) => price.ok_or("must be given").and_then(Cents::from_dollars),
    };
    let fields = (
        problems.check("Name", recipe::name(&request.name)),
        problems.check("SodaUsed", recipe::ingredients(&request.soda_used, 1)),
        problems.check("SyrupsUsed", recipe::ingredients(&request.syrups_used, 0)),
        problems.check("AddIns", recipe::ingredients(&request.add_ins, 0)),
        problems.check("Price", price),
        problems.check("Size", request.size.as_deref().map_or(Ok(Size::DEFAULT), Size::parse)),
        problems.check("Ice", request.ice.as_deref().map_or(Ok(Ice::DEFAULT), Ice::parse)),
        problems.check("User_Created", request.user_created.ok_or("must be given")),
    );
    problems.finish()?;
    match fields {
        (Some(name), Some(sodas), Some(syrups), Some(add_ins), Some(price), Some(size), Some(ice), Some(user)) => {
            Ok((Recipe { name, syrups, sodas, add_ins, price, size, ice }, user))
        }
        // `finish` has named what is missing.
        _ => Err(Failure::new(Code::Invalid, "Some field is not allowed.")),
    }
}

/// What of a drink is to change.
#[derive(Default)]
struct Change {
    name: Option<String>,
    /// Sodas, syrups, add-ins.
    ingredients: Option<[Vec<String>; 3]>,
    price: Option<Cents>,
    size: Option<Size>,
    ice: Option<Ice>,
}

impl Change {
    fn apply(self, old: Recipe) -> Recipe {
        let [sodas, syrups, add_ins] = self.ingredients.unwrap_or([old.sodas, old.syrups, old.add_ins]);
        Recipe {
            name: self.name.unwrap_or(old.name),
            syrups,
            sodas,
            add_ins,
            price: self.price.unwrap_or(old.price),
            size: self.size.unwrap_or(old.size),
            ice: self.ice.unwrap_or(old.ice),
        }
    }
}

/// What is to change. Only the catalogue's prices are told.
fn change(request: &pb::UpdateDrinkRequest, priced: bool) -> Result<Change, Failure> {
    let mut problems = Problems::default();
    let mut change = Change {
        name: request.name.as_deref().and_then(|name| problems.check("Name", recipe::name(name))),
        ingredients: None,
        price: request.price.filter(|_| priced).and_then(|price| problems.check("Price", Cents::from_dollars(price))),
        size: request.size.as_deref().and_then(|size| problems.check("Size", Size::parse(size))),
        ice: request.ice.as_deref().and_then(|ice| problems.check("Ice", Ice::parse(ice))),
    };
    if !request.soda_used.is_empty() {
        let sodas = problems.check("SodaUsed", recipe::ingredients(&request.soda_used, 1));
        let syrups = problems.check("SyrupsUsed", recipe::ingredients(&request.syrups_used, 0));
        let add_ins = problems.check("AddIns", recipe::ingredients(&request.add_ins, 0));
        change.ingredients = sodas.zip(syrups).zip(add_ins).map(|((sodas, syrups), add_ins)| [sodas, syrups, add_ins]);
    }
    problems.finish()?;
    Ok(change)
}
