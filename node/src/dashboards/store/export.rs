//! Revenue as CSV, a page of entries at a time.

use chrono::{DateTime, Days as Count, Months, NaiveDate, Utc};
use chrono_tz::Tz;
use codepop_proto::{dashboards as pb, google::api::HttpBody};
use codepop_shared::Failure;
use futures::{Stream, stream};

use super::{Error, csv, days};
use crate::{
    app::{App, edge::Problems},
    orders,
    payments::revenue::{Entry, figures},
    storage::{self, Tx},
    stores::{Store, hours::day_start},
};

/// Entries of one piece: some 60 KB, and a quick query.
const PAGE_ENTRIES: i64 = 1_000;

/// Days when nothing is said.
const DAYS_DEFAULT: u64 = 30;

/// The longest span, in months: 5 years, what books are looked back for at the most.
const MONTHS_MAX: u32 = 60;

/// The first line.
const HEADS: &[&str] = &["Date", "Order ID", "Amount", "Is Refund", "Payment Status"];

/// What the file is.
const CONTENT_TYPE: &str = "text/csv; charset=utf-8";

/// Which days are asked for, as they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dates {
    start: Option<NaiveDate>,
    end: Option<NaiveDate>,
}

impl Dates {
    /// Reads the dates.
    pub(super) fn parse(request: &pb::ExportRevenueRequest) -> Result<Self, Failure> {
        let mut problems = Problems::default();
        let mut read = |field: &str, text: &Option<String>| problems.check(field, days::parse(text.as_deref()?));
        let dates = Self { start: read("start_date", &request.start_date), end: read("end_date", &request.end_date) };
        problems.finish()?;
        Ok(dates)
    }

    /// The days of a store that are meant.
    pub(super) fn span(self, zone: Tz, now: DateTime<Utc>) -> Result<Span, Failure> {
        let last = self.end.unwrap_or_else(|| now.with_timezone(&zone).date_naive());
        let first = match self.start {
            Some(start) => start,
            None => last
                .checked_sub_days(Count::new(DAYS_DEFAULT - 1))
                .ok_or_else(|| Failure::invalid("end_date", "is too far from our times"))?,
        };
        if first > last {
            return Err(Failure::invalid("start_date", "must not be after the last day"));
        }
        if first.checked_add_months(Months::new(MONTHS_MAX)).is_none_or(|limit| last >= limit) {
            return Err(Failure::invalid("start_date", "must be less than 5 years before the last day"));
        }
        let bounds = || Some((day_start(first, zone)?, day_start(last.succ_opt()?, zone)?));
        let (start, end) = bounds().ok_or_else(|| Failure::invalid("end_date", "is too far from our times"))?;
        Ok(Span { zone, first, last, start, end })
    }
}

/// Some days of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    zone: Tz,
    first: NaiveDate,
    last: NaiveDate,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Span {
    /// Under which name the file is to be saved; of a store's number only what every system takes in a name is left.
    pub(super) fn disposition(&self, store: &Store) -> String {
        let harmless = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let number: String = store.store_number.chars().filter(harmless).collect();
        format!("attachment; filename=\"revenue_{number}_{}.csv\"", self.words().replace(' ', "_"))
    }

    /// First and last day, for the audit trail.
    pub(super) fn words(&self) -> String {
        let [first, last] = [self.first, self.last].map(days::written);
        format!("{first} {last}")
    }
}

/// The file in pieces, the first line in the first of them.
pub(super) fn file(app: App, span: Span) -> impl Stream<Item = Result<HttpBody, Failure>> + Send + 'static {
    let begin = Some((figures::After::before(span.start), true));
    stream::try_unfold((app, span, begin), |(app, span, next)| async move {
        let Some((after, is_first)) = next else { return Ok(None) };
        let (zone, end) = (span.zone, span.end);
        let read = app.db.read_consistent(move |tx| Box::pin(page(tx, zone, after, end)));
        let (lines, next) = read.await.map_err(Error::from)?;
        let mut out = String::new();
        if is_first {
            csv::line(&mut out, HEADS);
        }
        out.push_str(&lines);
        let piece = HttpBody { content_type: CONTENT_TYPE.to_owned(), data: out.into_bytes() };
        Ok(Some((piece, (app, span, next.map(|after| (after, false))))))
    })
}

/// The lines of a page, and where the next one begins.
async fn page(
    tx: &mut Tx,
    zone: Tz,
    after: figures::After,
    end: DateTime<Utc>,
) -> Result<(String, Option<figures::After>), storage::Error> {
    let entries = figures::page(tx, after, end, PAGE_ENTRIES).await?;
    let mut ids: Vec<i64> = entries.iter().filter_map(|entry| entry.order_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let words = orders::figures::payment_words(tx, &ids).await?;
    let mut lines = String::new();
    for entry in &entries {
        let word = entry.order_id.and_then(|order| words.get(&order)).map_or("", String::as_str);
        write_entry(&mut lines, zone, entry, word);
    }
    let is_full = i64::try_from(entries.len()).is_ok_and(|count| count >= PAGE_ENTRIES);
    Ok((lines, entries.last().filter(|_| is_full).map(Entry::after)))
}

fn write_entry(lines: &mut String, zone: Tz, entry: &Entry, payment: &str) {
    let date = entry.at.0.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string();
    let order = entry.order_id.map(|order| order.to_string()).unwrap_or_default();
    let refund = if entry.amount_cents < 0 || entry.refunded { "Yes" } else { "No" };
    csv::line(lines, &[&date, &order, &csv::amount(entry.amount_cents), refund, &csv::text(payment)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENVER: Tz = chrono_tz::America::Denver;

    fn dates(start: Option<&str>, end: Option<&str>) -> Result<Dates, Failure> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Dates::parse(&pb::ExportRevenueRequest { store_id: String::new(), start_date: own(start), end_date: own(end) })
    }

    fn span(start: Option<&str>, end: Option<&str>) -> Result<Span, Failure> {
        dates(start, end)?.span(DENVER, "2026-11-23T05:00:00Z".parse().unwrap())
    }

    #[test]
    fn days_are_whole_days_of_the_store() {
        let one = span(Some("2026-03-08"), Some("2026-03-08")).unwrap();
        assert_eq!((one.end - one.start).num_hours(), 23, "summer time begins");
        let shown = |span: Span| (days::written(span.first), days::written(span.last));
        assert_eq!(shown(span(None, None).unwrap()), ("2026-10-24".into(), "2026-11-22".into()));
        assert_eq!(shown(span(None, Some("2024-03-01")).unwrap()), ("2024-02-01".into(), "2024-03-01".into()));
        assert_eq!(shown(span(Some("2026-11-22"), None).unwrap()), ("2026-11-22".into(), "2026-11-22".into()));
        assert!(span(Some("2021-11-23"), None).is_ok());
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let field = |start, end| span(start, end).unwrap_err().fields.iter().map(|(field, _)| field.clone()).collect();
        let cases: [(Option<&str>, Option<&str>, &[&str]); 6] = [
            (Some("yesterday"), None, &["start_date"]),
            (Some("1"), Some("2"), &["start_date", "end_date"]),
            (Some("2026-11-22"), Some("2026-11-21"), &["start_date"]),
            (Some("2026-11-23"), None, &["start_date"]),
            (Some("2021-11-22"), None, &["start_date"]),
            (Some("0001-01-01"), Some("9999-12-31"), &["start_date"]),
        ];
        for (start, end, fields) in cases {
            let named: Vec<String> = field(start, end);
            assert_eq!(named, fields, "{start:?} {end:?}");
        }
    }
}
