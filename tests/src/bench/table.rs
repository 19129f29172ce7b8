//! Medians and ranges, as a table.

/// Median, lowest and highest of several runs.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    low: f64,
    high: f64,
}

impl Spread {
    /// Of the values of several runs.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { median: values[values.len() / 2], low: values[0], high: values[values.len() - 1] }
    }

    /// As text, with so many decimals.
    pub fn shown(&self, decimals: usize) -> String {
        format!("{:.decimals$} ({:.decimals$}–{:.decimals$})", self.median, self.low, self.high)
    }
}

/// Prints a row of a markdown table.
pub fn row(cells: &[&str]) {
    println!("| {} |", cells.join(" | "));
}
