//! The one password of all accounts of a run: they are for trying things out, and share it. It is in a file of the folder,
//! for its owner alone, and nowhere else.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use codepop_shared::files::write_private;

use crate::{
    accounts::{self, Password},
    commands::grant::read_password,
};

/// The file with the password.
pub(super) const PASSWORD_FILE: &str = "password";

/// What random passwords are made of: nothing that looks like something else.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz123456789";

/// Length of random passwords: 80 bits.
const LENGTH: usize = 16;

/// A password as typed. Not shown by anything.
pub(super) struct Chosen(String);

/// The first line of a file, or a random one.
///
/// # Errors
/// The file can't be read, or it is no password.
pub(super) fn choose(file: Option<&Path>) -> Result<Chosen> {
    let text = match file {
        Some(path) => read_password(path)?,
        None => rand::random::<[u8; LENGTH]>().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).iter().collect(),
    };
    Password::new(text.clone()).map_err(|why| anyhow!("--password-file: the password {why}"))?;
    Ok(Chosen(text))
}

impl Chosen {
    /// Its hash.
    ///
    /// # Errors
    /// The machine has no memory left for it.
    pub(super) async fn hash(&self) -> Result<String> {
        let hash = accounts::hash(&Password::to_check(self.0.clone())).await;
        hash.map_err(|failure| anyhow!("hash the password: {}", failure.detail))
    }

    /// Writes it into the folder.
    ///
    /// # Errors
    /// There is one already, or it can't be written.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let text = format!("{}\n", self.0);
        write_private(&folder.join(PASSWORD_FILE), text.as_bytes()).context("write the password")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ones_are_good_and_never_the_same() {
        let [one, other] = [choose(None).unwrap().0, choose(None).unwrap().0];
        assert_eq!(one.len(), LENGTH);
        assert_ne!(one, other);
    }

    #[test]
    fn given_ones_must_be_passwords() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("given");
        std::fs::write(&path, "short\n").unwrap();
        assert!(choose(Some(&path)).is_err_and(|why| why.to_string().contains("at least 8")));
        std::fs::write(&path, "quite long enough\nand more").unwrap();
        let chosen = choose(Some(&path)).unwrap();
        chosen.write(dir.path()).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join(PASSWORD_FILE)).unwrap(), "quite long enough\n");
        assert!(choose(Some(&dir.path().join("none"))).is_err());
    }
}
