//! The diagram of the tables, from the migrations themselves.

use std::{collections::BTreeMap, fs, path::Path};

use diesel::{
    Connection as _, RunQueryDsl as _, SqliteConnection, connection::SimpleConnection as _, sql_query, sql_types,
};

#[derive(diesel::QueryableByName)]
struct Column {
    #[diesel(sql_type = sql_types::Text)]
    table_name: String,
    #[diesel(sql_type = sql_types::Text)]
    name: String,
    #[diesel(sql_type = sql_types::Text)]
    kind: String,
    #[diesel(sql_type = sql_types::Integer)]
    key: i32,
}

#[derive(diesel::QueryableByName)]
struct Reference {
    #[diesel(sql_type = sql_types::Text)]
    table_name: String,
    #[diesel(sql_type = sql_types::Text)]
    target: String,
    #[diesel(sql_type = sql_types::Text)]
    name: String,
}

/// Columns that name a row of another table without a foreign key, because either may arrive first.
const NAMED: &[(&str, &str)] = &[
    ("user_id", "users"),
    ("owner", "users"),
    ("assigned_by", "users"),
    ("drink_id", "user_drinks"),
    ("order_id", "orders"),
    ("payment_id", "payments"),
    ("item_id", "inventory_items"),
    ("stream", "streams"),
];

/// The database as all migrations leave it.
fn migrated() -> SqliteConnection {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/sqlite");
    let mut steps: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("up.sql")).collect();
    steps.sort();
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    for step in steps {
        conn.batch_execute(&fs::read_to_string(step).unwrap()).unwrap();
    }
    conn
}

/// The diagram of these tables, or of all.
pub(super) fn diagram(tables: &[&str]) -> Result<String, String> {
    let mut conn = migrated();
    let columns: Vec<Column> = sql_query(
        "SELECT m.name AS table_name, c.name AS name, c.type AS kind, c.pk AS key \
         FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' \
         ORDER BY m.rowid, c.cid",
    )
    .load(&mut conn)
    .unwrap();
    let references: Vec<Reference> = sql_query(
        "SELECT m.name AS table_name, f.\"table\" AS target, f.\"from\" AS name \
         FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table' ORDER BY m.rowid",
    )
    .load(&mut conn)
    .unwrap();
    if let Some(unknown) = tables.iter().find(|table| !columns.iter().any(|column| column.table_name == **table)) {
        return Err(format!("there is no table {unknown}"));
    }
    let wanted = |table: &str| tables.is_empty() || tables.contains(&table);
    let mut drawn = "```mermaid\nerDiagram\n".to_owned();
    let mut bodies: BTreeMap<&str, String> = BTreeMap::new();
    for column in columns.iter().filter(|column| wanted(&column.table_name)) {
        let key = if column.key > 0 { " PK" } else { "" };
        let kind = column.kind.to_lowercase();
        *bodies.entry(&column.table_name).or_default() += &format!("        {kind} {}{key}\n", column.name);
        let held = |target: &str| {
            references.iter().any(|known| {
                known.table_name == column.table_name && known.name == column.name && known.target == target
            })
        };
        if let Some((_, target)) = NAMED.iter().find(|(name, target)| {
            *name == column.name && *target != column.table_name && wanted(target) && !held(target)
        }) {
            drawn += &format!("    {target} ||..o{{ {} : {}\n", column.table_name, column.name);
        }
    }
    for reference in references.iter().filter(|found| wanted(&found.table_name) && wanted(&found.target)) {
        drawn += &format!("    {} ||--o{{ {} : {}\n", reference.target, reference.table_name, reference.name);
    }
    for (table, body) in bodies {
        drawn += &format!("    {table} {{\n{body}    }}\n");
    }
    Ok(drawn + "```\n")
}
