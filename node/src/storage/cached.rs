//! Statements that are prepared once a connection. Diesel prepares every update, every `on conflict … do update` and every
//! insert of an optional value anew, because the number of such statements is not bounded in general: SQLite parses each
//! again, PostgreSQL costs one more round trip. Here each is written once, so that there are as many as places in the code.

use diesel::{
    QueryResult, RunQueryDsl,
    backend::Backend,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
};

/// A statement whose SQL does not depend on the number or presence of its values.
#[derive(Clone, Copy, Debug)]
pub struct Cached<Q>(Q);

/// Whatever can be prepared once.
pub trait Cacheable: Sized {
    /// Keeps the prepared statement with the connection. Not for what has a list of values in it, which would fill the
    /// cache with one statement for each length.
    fn cached(self) -> Cached<Self> {
        Cached(self)
    }
}

impl<Q: QueryId> Cacheable for Q {}

impl<Q> QueryId for Cached<Q> {
    type QueryId = ();

    /// The key is the SQL itself: two updates of one type may set different columns.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q, Conn> RunQueryDsl<Conn> for Cached<Q> {}

impl<Q: Query> Query for Cached<Q> {
    type SqlType = Q::SqlType;
}

impl<Q: QueryFragment<DB>, DB: Backend> QueryFragment<DB> for Cached<Q> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}
