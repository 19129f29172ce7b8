//! Customers, spoken for by gRPC: what a gateway would send.

use codepop_proto::accounts::{
    LogInRequest, LogInResponse, RegisterRequest, RegisterResponse, accounts_service_client::AccountsServiceClient,
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
