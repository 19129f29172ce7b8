//! The canonical bytes of rows for digests: the same rows give the same bytes on every node and on both databases.
//! Every value has a fixed length or its length before it, so that no two different rows look alike.

use sha2::{Digest as _, Sha256};

/// Rows that a digest reads at once: large enough to make a scan of a big table cheap, small enough to hold.
pub const PAGE: i64 = 1_000;

/// Feeds the values of rows to a hash.
pub struct Canonical<'a>(pub &'a mut Sha256);

impl Canonical<'_> {
    /// Begins the rows of a table.
    pub fn table(&mut self, name: &str) -> &mut Self {
        self.text(name)
    }

    /// Text, after its length in bytes.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Bytes, after their number.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// A whole number.
    pub fn integer(&mut self, number: i64) -> &mut Self {
        self.0.update(number.to_be_bytes());
        self
    }

    /// A floating-point number, by its bits. The two zeros count as one: SQLite does not keep them apart.
    pub fn float(&mut self, number: f64) -> &mut Self {
        self.0.update((number + 0.0).to_bits().to_be_bytes());
        self
    }

    /// Yes or no.
    pub fn flag(&mut self, flag: bool) -> &mut Self {
        self.0.update([u8::from(flag)]);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(feed: impl FnOnce(&mut Canonical<'_>)) -> Vec<u8> {
        let mut hasher = Sha256::new();
        feed(&mut Canonical(&mut hasher));
        hasher.finalize().to_vec()
    }

    #[test]
    fn no_two_rows_look_alike() {
        let one = digest(|row| _ = row.text("ab").text("c"));
        assert_ne!(one, digest(|row| _ = row.text("a").text("bc")));
        assert_eq!(digest(|row| _ = row.float(0.0)), digest(|row| _ = row.float(-0.0)));
        assert_ne!(digest(|row| _ = row.float(0.0)), digest(|row| _ = row.float(f64::MIN_POSITIVE)));
        assert_eq!(one, digest(|row| _ = row.text("ab").text("c")));
    }
}
