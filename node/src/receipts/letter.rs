//! A receipt as a letter: pure. In plain text and in HTML, with the same words. It names no locker and no payment's id:
//! mail is read by many.

/// A drink as the receipt lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its name.
    pub(super) name: String,
    /// What is in it.
    pub(super) detail: String,
    /// What it cost, in cents.
    pub(super) cents: i64,
}

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    /// Number of the order.
    pub(super) order: i64,
    /// Name of the store.
    pub(super) store: String,
    /// When the order was placed, in words.
    pub(super) placed: String,
    /// The drinks.
    pub(super) lines: Vec<Line>,
    /// What it cost, in cents.
    pub(super) total_cents: i64,
    /// How it stands with the money.
    pub(super) payment: String,
}

/// Width of a line of plain text, in characters: what every reader of mail shows.
const WIDTH: usize = 60;

impl Letter {
    /// The subject.
    pub(super) fn subject(&self) -> String {
        format!("Your receipt for order {}", self.order)
    }

    /// As plain text.
    pub(super) fn text(&self) -> String {
        let mut text = format!("Thank you for your order at {}.\n\n", self.store);
        text.push_str(&format!("Order {}, placed {}\n\n", self.order, self.placed));
        for line in &self.lines {
            text.push_str(&row(&line.name, &dollars(line.cents)));
            text.push_str(&format!("  {}\n", line.detail));
        }
        text.push_str(&format!("{}\n", "-".repeat(WIDTH)));
        text.push_str(&row("Total", &dollars(self.total_cents)));
        text.push_str(&format!("{}\n\nIs anything wrong? Tell us in the app, under complaints.\n", self.payment));
        text
    }

    /// As HTML.
    pub(super) fn html(&self) -> String {
        let rows: String = (self.lines.iter())
            .map(|line| {
                let (name, detail) = (escaped(&line.name), escaped(&line.detail));
                format!("<tr><td><b>{name}</b><br>{detail}</td><td align=\"right\">{}</td></tr>\n", dollars(line.cents))
            })
            .collect();
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{subject}</title></head>\n\
             <body style=\"font-family: sans-serif\">\n<p>Thank you for your order at {store}.</p>\n\
             <p>Order {order}, placed {placed}</p>\n<table cellpadding=\"4\">\n{rows}\
             <tr><td><b>Total</b></td><td align=\"right\"><b>{total}</b></td></tr>\n</table>\n\
             <p>{payment}</p>\n<p>Is anything wrong? Tell us in the app, under complaints.</p>\n</body></html>\n",
            subject = escaped(&self.subject()),
            store = escaped(&self.store),
            order = self.order,
            placed = escaped(&self.placed),
            total = dollars(self.total_cents),
            payment = escaped(&self.payment),
        )
    }
}

/// A name and a price at both ends of a line.
fn row(name: &str, price: &str) -> String {
    let room = WIDTH.saturating_sub(price.len() + 1);
    let name: String = name.chars().take(room).collect();
    format!("{name:<room$} {price}\n")
}

/// Cents in words of the country.
fn dollars(cents: i64) -> String {
    format!("${}.{:02}", cents / 100, cents.unsigned_abs() % 100)
}

/// Text within HTML: what customers named their drinks is not markup.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        let line = |name: &str, cents| Line { name: name.into(), detail: "24oz, Coke, mango".into(), cents };
        Letter {
            order: 104_201_000,
            store: "Logan & Sons".into(),
            placed: "2026-11-01 10:00 UTC".into(),
            lines: vec![line("<script>alert('x')</script>", 205), line(&"long ".repeat(40), 1_000)],
            total_cents: 1_205,
            payment: "Paid.".into(),
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        let (text, html) = (letter().text(), letter().html());
        for said in ["104201000", "$2.05", "$10.00", "$12.05", "2026-11-01 10:00 UTC", "Paid.", "24oz, Coke, mango"] {
            assert!(text.contains(said) && html.contains(said), "{said}");
        }
        assert!(text.contains("Logan & Sons") && html.contains("Logan &amp; Sons"));
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;alert(&#39;x&#39;)"));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }
}
