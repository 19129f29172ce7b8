//! The settings on which promises hang, and the twins of migrations.

use std::collections::BTreeMap;

use diesel::{
    QueryableByName, sql_query,
    sql_types::{Integer, Text},
};
use diesel_async::RunQueryDsl as _;

use super::*;
use crate::{on, on_both, testing::Node};

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Integer)]
    value: i32,
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    value: String,
}

async fn pragma(tx: &mut Tx, name: &str) -> i32 {
    let sql = format!("SELECT CAST({name} AS INTEGER) AS value FROM pragma_{name}");
    on!(tx, conn => sql_query(sql).get_result::<Number>(conn).await).unwrap().value
}

async fn assert_sqlite_is_durable(tx: &mut Tx) {
    // 2 is FULL: a commit waits for the disk.
    assert_eq!(pragma(tx, "synchronous").await, 2);
    assert_eq!(pragma(tx, "foreign_keys").await, 1);
    assert_eq!(pragma(tx, "secure_delete").await, 1);
    let mode = on!(tx, conn => sql_query("SELECT journal_mode AS value FROM pragma_journal_mode")
        .get_result::<Word>(conn)
        .await);
    assert_eq!(mode.unwrap().value, "wal");
    // As `.cargo/config.toml` says: no lock for each call and each allocation.
    let compiled = on!(tx, conn => sql_query("SELECT compile_options AS value FROM pragma_compile_options")
        .load::<Word>(conn)
        .await);
    let compiled: Vec<String> = compiled.unwrap().into_iter().map(|word| word.value).collect();
    assert!(compiled.iter().any(|option| option == "THREADSAFE=2"), "{compiled:?}");
    assert!(!compiled.iter().any(|option| option == "ENABLE_MEMORY_MANAGEMENT"), "{compiled:?}");
    // And no statement is parsed anew because of what is bound to it.
    assert!(compiled.iter().any(|option| option == "ENABLE_QPSG"), "{compiled:?}");
}

#[tokio::test]
async fn sqlite_syncs_what_it_acknowledges() {
    let node = Node::sqlite().await;
    let checked = async |tx: &mut Tx| assert_sqlite_is_durable(tx).await;
    node.db
        .read(|tx| {
            Box::pin(async move {
                checked(tx).await;
                Ok::<_, Error>(())
            })
        })
        .await
        .unwrap();
    let checked = async |tx: &mut Tx| assert_sqlite_is_durable(tx).await;
    node.db
        .write(move |tx| {
            Box::pin(async move {
                checked(tx).await;
                Ok::<_, Error>(())
            })
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn postgres_syncs_what_it_acknowledges() {
    let node = Node::postgres().await;
    for (name, expected) in [("synchronous_commit", "on"), ("fsync", "on"), ("full_page_writes", "on")] {
        let sql = format!("SELECT current_setting('{name}') AS value");
        let value = node
            .db
            .write(move |tx| {
                Box::pin(async move { Ok::<_, Error>(on!(tx, conn => sql_query(sql).get_result::<Word>(conn).await)?) })
            })
            .await
            .unwrap();
        assert_eq!(value.value, expected, "{name}");
    }
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Integer)]
    required: i32,
}

/// Tables of the migrations, by column: kind and whether a value is required.
type Schema = BTreeMap<(String, String), (&'static str, bool)>;

async fn schema(node: &Node, sql: &'static str) -> Schema {
    let columns = node
        .db
        .read(move |tx| {
            Box::pin(async move { Ok::<_, Error>(on!(tx, conn => sql_query(sql).load::<Column>(conn).await)?) })
        })
        .await
        .unwrap();
    columns
        .into_iter()
        .filter(|column| column.table_name != "__diesel_schema_migrations")
        .map(|column| {
            let kind = match column.kind.as_str() {
                "INTEGER" | "integer" | "bigint" | "smallint" | "timestamp with time zone" => "whole number",
                "BLOB" | "bytea" | "uuid" => "bytes",
                "TEXT" | "text" => "text",
                "BOOLEAN" | "boolean" => "boolean",
                "DOUBLE" | "double precision" => "number",
                other => panic!("{}.{}: {other}", column.table_name, column.column_name),
            };
            ((column.table_name, column.column_name), (kind, column.required == 1))
        })
        .collect()
}

#[tokio::test]
async fn twin_migrations_make_one_schema() {
    let sqlite = schema(
        &Node::sqlite().await,
        "SELECT m.name AS table_name, c.name AS column_name, c.type AS kind, c.\"notnull\" AS required
         FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'",
    )
    .await;
    let postgres = schema(
        &Node::postgres().await,
        "SELECT table_name::text, column_name::text, data_type::text AS kind,
                CASE is_nullable WHEN 'NO' THEN 1 ELSE 0 END AS required
         FROM information_schema.columns WHERE table_schema = 'public'",
    )
    .await;
    assert!(sqlite.len() > 100);
    assert_eq!(sqlite, postgres);
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Sqlite(folder.path().join("node.db"));
    let open = async || {
        let author = Arc::new(crate::testing::author(crate::testing::name(1_000, "C")));
        Db::open(&location, Arc::new(Clock::new(author.id.uuid)), author).await
    };
    let (db, migrated) = open().await.unwrap();
    assert!(!migrated.is_empty());
    db.write(|tx| {
        Box::pin(async move {
            let sql = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000000')";
            Ok::<_, Error>(on!(tx, conn => sql_query(sql).execute(conn).await)?)
        })
    })
    .await
    .unwrap();
    drop(db);
    assert!(matches!(open().await, Err(Error::Newer(version)) if version == "29991231000000"));
}

async fn settings(db: &Db) -> i64 {
    use crate::storage::schema::settings;
    use diesel::QueryDsl as _;
    db.read(|tx| {
        Box::pin(async move { Ok::<i64, Error>(on!(tx, conn => settings::table.count().get_result(conn).await)?) })
    })
    .await
    .unwrap()
}

on_both!(a_reader_whose_caller_went_away_shows_no_old_state, async |node: Node| {
    let before = settings(&node.db).await;
    // More than there are readers, each dropped in the midst of its transaction.
    for _ in 0..8 {
        let (began, begun) = tokio::sync::oneshot::channel();
        let reading = node.db.read_consistent(move |tx| {
            Box::pin(async move {
                on!(tx, conn => sql_query("SELECT 1 AS value FROM settings").execute(conn).await)?;
                let _gone = began.send(());
                std::future::pending::<Result<(), Error>>().await
            })
        });
        tokio::select! {
            _ = reading => panic!("it never ends"),
            _ = begun => {}
        }
    }
    node.db
        .write(|tx| {
            Box::pin(async move {
                let sql = "INSERT INTO settings (key, value) VALUES ('a', 'b')";
                Ok::<_, Error>(on!(tx, conn => sql_query(sql).execute(conn).await)?)
            })
        })
        .await
        .unwrap();
    for _ in 0..8 {
        assert_eq!(settings(&node.db).await, before + 1);
    }
});

/// A trigger that runs with the commit ends the server's side of the connection: nobody can know whether it came before or
/// after the commit, and the next write has a new connection.
#[tokio::test]
async fn a_postgres_server_that_goes_away_within_a_commit_leaves_it_in_doubt() {
    const LAST_WORD: &str = "CREATE TABLE doomed (id INTEGER); \
        CREATE FUNCTION last_word() RETURNS trigger AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); \
        RETURN NULL; END $$ LANGUAGE plpgsql; \
        CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON doomed DEFERRABLE INITIALLY DEFERRED \
        FOR EACH ROW EXECUTE FUNCTION last_word()";
    let node = Node::postgres().await;
    let run =
        async |sql: &'static str| node.db.write(move |tx| Box::pin(async move { tx.conn.batch(sql).await })).await;
    run(LAST_WORD).await.unwrap();
    let doubt = run("INSERT INTO doomed VALUES (1)").await.unwrap_err();
    assert!(matches!(doubt, Error::InDoubt(_)), "{doubt:?}");
    assert!(node.db.fault().is_some());
    let failure = codepop_shared::Failure::from(&doubt);
    assert_eq!(failure.code, codepop_shared::Code::Unavailable, "no word with which a gateway asks another node");
    run("SELECT 1").await.unwrap();
    assert!(node.db.fault().is_none());
}

/// A server that keeps its connection and does not answer. Time is stopped once everything waits for it, and so runs ahead.
#[tokio::test]
async fn a_postgres_server_that_does_not_answer_holds_nobody_up_for_ever() {
    const SLEEPS: &str = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let node = Node::postgres().await;
    let run =
        async |sql: &'static str| node.db.write(move |tx| Box::pin(async move { tx.conn.batch(sql).await })).await;
    let count = |what: &str| {
        let sql = format!("SELECT count({what})::integer AS value {SLEEPS}");
        node.db.read(|tx| {
            Box::pin(async move {
                let count = on!(tx, conn => sql_query(&sql).get_result::<Number>(conn).await)?;
                Ok::<_, Error>(count.value > 0)
            })
        })
    };
    run("CREATE TABLE kept (id INTEGER)").await.unwrap();
    let (late, ()) = tokio::join!(run("INSERT INTO kept VALUES (1); SELECT pg_sleep(20)"), async {
        while !count("*").await.unwrap() {}
        tokio::time::pause();
    });
    tokio::time::resume();
    assert!(matches!(late, Err(Error::Unavailable(_))), "{late:?}");
    let why = node.db.fault().unwrap_or_default();
    assert!(why.contains("did not answer for 60 s"), "{why}");
    // The server still holds what belongs to the connection until it notices.
    assert!(count("pg_terminate_backend(pid)").await.unwrap());
    run("INSERT INTO kept VALUES (2)").await.unwrap();
    assert!(node.db.fault().is_none());
}
