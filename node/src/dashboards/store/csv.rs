//! Comma-separated values as spreadsheets read them (RFC 4180), without letting a text become a formula.

/// What a cell with a formula begins with, in narrow and wide letters.
const FORMULA: &[char] = &['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// A cell with a text that came from people or other systems.
pub(super) fn text(text: &str) -> String {
    let guard = if text.trim_start_matches(' ').starts_with(FORMULA) { "'" } else { "" };
    let guarded = format!("{guard}{text}");
    if guarded.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}

/// A cell with an amount of money: a number, so it needs no guard although it may be negative.
pub(super) fn amount(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

/// Adds a line of cells.
pub(super) fn line(out: &mut String, cells: &[&str]) {
    out.push_str(&cells.join(","));
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_stay_texts() {
        for bad in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "＝x", " =1"] {
            assert_eq!(text(bad), format!("'{bad}"));
        }
        assert_eq!(text("=HYPERLINK(\"x\",\"y\")"), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"");
        assert_eq!(text("\r\n=1"), "\"'\r\n=1\"");
        for plain in ["paid", "", "a=b", "1", "Zoë"] {
            assert_eq!(text(plain), plain);
        }
        assert_eq!((text("a,b"), text("a\nb")), ("\"a,b\"".into(), "\"a\nb\"".into()));
    }

    #[test]
    fn amounts_are_exact() {
        for (cents, shown) in [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (123_456, "1234.56"), (-230, "-2.30")] {
            assert_eq!(amount(cents), shown);
        }
        let mut out = String::new();
        line(&mut out, &["a", "b"]);
        assert_eq!(out, "a,b\r\n");
    }
}
