//! What the old system let in and this one does not, put right. Pure: rows in, this system's values and what was changed
//! out; or the reason why a row can't be brought over.

pub(super) mod drinks;
pub(super) mod stock;
pub(super) mod trade;
pub(super) mod users;

/// Text without characters that nobody sees, without spaces around it, of at most `longest` characters.
fn clean(text: &str, longest: usize) -> String {
    let shown: String = text.chars().filter(|char| !char.is_control()).collect();
    let short: String = shown.trim().chars().take(longest).collect();
    short.trim_end().to_owned()
}

/// Cleans a text and notes when that changed it.
fn cleaned(text: &str, longest: usize, what: &str, changes: &mut Vec<String>) -> String {
    let clean = clean(text, longest);
    if clean != text {
        changes.push(format!("{what} had spaces around it or characters that cannot be shown"));
    }
    clean
}
