//! Customers, spoken for by gRPC: what a gateway would send.

use codepop_proto::{
    accounts::{
        LogInRequest, LogInResponse, RegisterRequest, RegisterResponse, accounts_service_client::AccountsServiceClient,
    },
    catalog::{CreateDrinkRequest, catalog_service_client::CatalogServiceClient},
};
use tonic::Status;

use super::Mesh;

/// A password that no list of common ones has.
pub const PASSWORD: &str = "violet-harbour-93";

impl Mesh {
    /// Signs a customer up at a node.
    ///
    /// # Errors
    /// The node refuses.
    pub async fn try_sign_up(&self, node: usize, username: &str) -> Result<RegisterResponse, Status> {
        let request = RegisterRequest {
            username: username.to_owned(),
            password: PASSWORD.to_owned(),
            email: Some(format!("{username}@example.org")),
            ..Default::default()
        };
        let mut accounts = AccountsServiceClient::new(self.channel(node).await);
        accounts.register(request).await.map(tonic::Response::into_inner)
    }

    /// Makes a guest's drink at a store, which the store's region gets; its number.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn try_make_drink(&self, node: usize, name: &str) -> Result<i64, Status> {
        let drink = CreateDrinkRequest {
            name: name.to_owned(),
            soda_used: vec!["Sprite".to_owned()],
            price: Some(3.5),
            user_created: Some(true),
            ..CreateDrinkRequest::default()
        };
        let made = CatalogServiceClient::new(self.channel(node).await).create_drink(drink).await?.into_inner();
        made.drink.map(|drink| drink.drink_id).ok_or_else(|| Status::internal("no drink came back"))
    }

    /// Signs a customer up at a node.
    ///
    /// # Panics
    /// The node refuses.
    pub async fn sign_up(&self, node: usize, username: &str) -> RegisterResponse {
        self.try_sign_up(node, username).await.unwrap()
    }

    /// Logs a customer in at a node.
    ///
    /// # Errors
    /// The node refuses.
    pub async fn log_in(&self, node: usize, username: &str) -> Result<LogInResponse, Status> {
        let request = LogInRequest { username: username.to_owned(), password: PASSWORD.to_owned() };
        let mut accounts = AccountsServiceClient::new(self.channel(node).await);
        accounts.log_in(request).await.map(tonic::Response::into_inner)
    }
}
