//! The data as tables, one CSV file each (RFC 4180), and the templates beside them.

use std::{fs, io, path::Path};

use chrono::{DateTime, SecondsFormat, Utc};
use codepop_shared::files::write_new;

use super::{contents::Contents, people::Post, templates::TEMPLATES};
use crate::roles;

/// The files with data.
pub const FILES: &[&str] = &["stores.csv", "users.csv", "inventory.csv", "orders.csv", "revenue.csv"];

/// Writes all tables and templates into a folder, which is made if it is not there.
///
/// # Errors
/// One of the files is there already (then nothing was written), or one can't be written.
pub fn write(folder: &Path, all: &[Contents]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let names = FILES.iter().copied().chain(TEMPLATES.iter().map(|(name, _)| *name));
    if let Some(name) = names.into_iter().find(|name| folder.join(name).exists()) {
        let problem = format!("{} is there already: nothing was written", folder.join(name).display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
    }
    let tables = [stores(all), users(all), inventory(all), orders(all), revenue(all)];
    for (name, table) in FILES.iter().zip(tables) {
        write_new(&folder.join(name), table.0.as_bytes())?;
    }
    for (name, text) in TEMPLATES {
        write_new(&folder.join(name), text.as_bytes())?;
    }
    Ok(())
}

/// A table under way.
struct Table(String);

impl Table {
    fn new(columns: &[&str]) -> Self {
        Self(columns.join(",") + "\n")
    }

    fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0 += &cells.map(cell).join(",");
        self.0.push('\n');
    }
}

/// A cell; what could be read otherwise is quoted.
fn cell(text: String) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Cents as dollars with two decimals.
pub fn dollars(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn stores(all: &[Contents]) -> Table {
    let columns = ["store_number", "kind", "node_number", "name", "region", "street_address", "city", "state"];
    let more = ["zip_code", "latitude", "longitude", "time_zone"];
    let mut table = Table::new(&[&columns[..], &more].concat());
    for site in all.iter().map(|contents| &contents.site) {
        table.row([
            site.code.clone(),
            if site.is_hub() { "SUPPLY_HUB" } else { "STORE" }.to_owned(),
            site.number.to_string(),
            site.name.clone(),
            site.region.to_owned(),
            site.street.clone(),
            site.city.to_owned(),
            site.state.to_owned(),
            site.zip.to_owned(),
            site.latitude.to_string(),
            site.longitude.to_string(),
            site.zone.name().to_owned(),
        ]);
    }
    table
}

fn users(all: &[Contents]) -> Table {
    let mut table = Table::new(&["user_id", "username", "first_name", "last_name", "email", "role", "scope"]);
    for contents in all {
        for person in &contents.people {
            let (role, scope) = match person.post {
                None => ("ACCOUNT_USER", "own".to_owned()),
                Some(post) => (roles::word(post.role()), scope(post, contents)),
            };
            table.row([
                person.user.to_string(),
                person.username.clone(),
                person.first_name.to_owned(),
                person.last_name.to_owned(),
                person.email(),
                role.to_owned(),
                scope,
            ]);
        }
    }
    table
}

fn scope(post: Post, contents: &Contents) -> String {
    match post {
        Post::Own(_) => "own".to_owned(),
        Post::Store(_) => format!("store:{}", contents.site.code),
        Post::Region(_) => format!("region:{}", contents.site.region),
        Post::Chain(_) => "chain".to_owned(),
    }
}

fn inventory(all: &[Contents]) -> Table {
    let mut table = Table::new(&["store_number", "item_id", "item_name", "item_type", "quantity", "threshold_level"]);
    for contents in all {
        for item in &contents.stock {
            table.row([
                contents.site.code.clone(),
                item.id.to_string(),
                item.name.clone(),
                item.item_type.word().to_owned(),
                item.quantity.to_string(),
                item.threshold.to_string(),
            ]);
        }
    }
    table
}

fn orders(all: &[Contents]) -> Table {
    let columns = ["order_id", "store_number", "user_id", "status", "created_at", "pickup_time", "drinks", "total"];
    let mut table = Table::new(&columns);
    for contents in all {
        for (order, drinks) in &contents.orders {
            let names: Vec<&str> = drinks.iter().map(|drink| drink.name.as_str()).collect();
            table.row([
                order.id.to_string(),
                contents.site.code.clone(),
                order.user_id.map(|user| user.to_string()).unwrap_or_default(),
                order.status.word().to_owned(),
                time(order.created_at.0),
                order.pickup_time.map(|pickup| time(pickup.0)).unwrap_or_default(),
                names.join("; "),
                dollars(order.total_cents),
            ]);
        }
    }
    table
}

fn revenue(all: &[Contents]) -> Table {
    let mut table = Table::new(&["revenue_id", "store_number", "order_id", "kind", "amount", "is_refund", "date"]);
    for contents in all {
        for entry in &contents.revenue {
            table.row([
                entry.id.to_string(),
                contents.site.code.clone(),
                entry.order_id.map(|order| order.to_string()).unwrap_or_default(),
                entry.kind.clone(),
                dollars(entry.amount_cents),
                entry.refunded.to_string(),
                time(entry.at.0),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_money_is_exact() {
        let mut table = Table::new(&["a", "b"]);
        table.row(["x".to_owned(), "say \"hi\", you".to_owned()]);
        assert_eq!([0, 5, 1_234, -250].map(dollars), ["0.00", "0.05", "12.34", "-2.50"]);
        assert_eq!(table.0, "a,b\nx,\"say \"\"hi\"\", you\"\n");
    }
}
