//! From a letter to a mail, and how it leaves: by SMTP where a server is set up, otherwise into a folder.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use codepop_shared::files;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    address::Envelope,
    message::{Mailbox, MultiPart},
    transport::smtp,
};

use super::letter::Letter;

/// Longest time for one mail: after that it is tried again later.
const SEND_MAX: Duration = Duration::from_secs(20);

/// Who receipts come from where nobody is set up.
const FROM_DEFAULT: &str = "receipts@codepop.invalid";

/// How long files are kept in the folder: long enough to be fetched, not for ever.
const OUTBOX_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The mail server and the sender, as the operator says.
#[derive(Clone)]
pub struct MailSettings {
    server: smtp::AsyncSmtpTransportBuilder,
    /// The sender.
    pub from: Mailbox,
}

impl fmt::Debug for MailSettings {
    /// Without the server: its address may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailSettings").field("from", &self.from).finish_non_exhaustive()
    }
}

impl MailSettings {
    /// Reads the address of a server: `smtps://user:password@host:port`, or `smtp://…`, which is encrypted too
    /// (STARTTLS), except on loopback.
    ///
    /// # Errors
    /// What is allowed.
    pub fn read(url: &str, from: &str) -> Result<Self, &'static str> {
        const ALLOWED: &str = "must be smtps://user:password@host:port or smtp://…";
        let rest = url.strip_prefix("smtp://").or_else(|| url.strip_prefix("smtps://")).ok_or(ALLOWED)?;
        let host = rest.rsplit('@').next().unwrap_or(rest).split(['/', '?', '#']).next().unwrap_or_default();
        let local = ["localhost", "127.0.0.1", "[::1]"];
        let is_local = local.iter().any(|name| host == *name || host.starts_with(&format!("{name}:")));
        let mut url = url.to_owned();
        if url.starts_with("smtp://") && !is_local {
            // Whatever the address says: no password and no receipt goes over a network in clear.
            url = format!("{}?tls=required", url.split(['?', '#']).next().unwrap_or_default());
        }
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url).map_err(|_| ALLOWED)?;
        Ok(Self { server: server.timeout(Some(SEND_MAX)), from: sender(from)? })
    }
}

/// Reads who receipts come from.
///
/// # Errors
/// What is allowed.
pub fn sender(text: &str) -> Result<Mailbox, &'static str> {
    text.parse().map_err(|_| "must be an e-mail address, for example CodePop <receipts@example.com>")
}

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The server does not take it now; try again.
    #[error("the mail server does not take it now: {0}")]
    Later(String),
    /// The server will never take it, or it is no mail.
    #[error("the mail cannot be sent: {0}")]
    Never(String),
    /// The folder cannot be written.
    #[error("the outbox folder cannot be written: {0}")]
    Folder(#[from] io::Error),
}

/// How mail leaves this node.
#[derive(Clone)]
pub(super) struct Mailer {
    server: Option<AsyncSmtpTransport<Tokio1Executor>>,
    from: Option<Mailbox>,
    outbox: PathBuf,
}

impl Mailer {
    pub(super) fn new(settings: Option<MailSettings>, outbox: PathBuf) -> Self {
        let from = settings.as_ref().map(|settings| settings.from.clone()).or_else(|| FROM_DEFAULT.parse().ok());
        Self { server: settings.map(|settings| settings.server.build()), from, outbox }
    }

    /// Whether there is a server, and so a wait.
    pub(super) fn has_server(&self) -> bool {
        self.server.is_some()
    }

    /// The mail of a letter; the same letter is the same mail for every reader, however often it arrives.
    fn message(&self, letter: &Letter, to: Option<&str>) -> Result<Message, Error> {
        let never = |error: lettre::error::Error| Error::Never(error.to_string());
        let from = self.from.clone().ok_or_else(|| Error::Never("there is no sender".to_owned()))?;
        let domain = from.email.domain().to_owned();
        let sender: Address = from.email.clone();
        let builder = Message::builder()
            .from(from)
            .subject(letter.subject())
            .date(SystemTime::now())
            .message_id(Some(format!("<receipt.{}@{domain}>", letter.order)));
        let builder = match to.and_then(|to| to.parse::<Address>().ok()) {
            Some(address) => builder.to(Mailbox::new(None, address)),
            // Nobody's address is known: the envelope needs one, the letter does not.
            None => builder.envelope(Envelope::new(Some(sender.clone()), vec![sender]).map_err(never)?),
        };
        builder.multipart(MultiPart::alternative_plain_html(letter.text(), letter.html())).map_err(never)
    }

    /// Sends a letter by SMTP. False when there is no server, or nobody to send it to.
    pub(super) async fn send(&self, letter: &Letter, to: Option<&str>) -> Result<bool, Error> {
        let (Some(server), Some(to)) = (&self.server, to.filter(|to| to.parse::<Address>().is_ok())) else {
            return Ok(false);
        };
        let message = self.message(letter, Some(to))?;
        match tokio::time::timeout(SEND_MAX, server.send(message)).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(error)) if error.is_permanent() => Err(Error::Never(error.to_string())),
            Ok(Err(error)) => Err(Error::Later(error.to_string())),
            Err(_) => Err(Error::Later(format!("no answer within {} s", SEND_MAX.as_secs()))),
        }
    }

    /// Writes a letter into the outbox folder, readable by the node alone.
    pub(super) async fn file(&self, letter: &Letter, to: Option<&str>) -> Result<(), Error> {
        let content = self.message(letter, to)?.formatted();
        let (folder, name) = (self.outbox.clone(), format!("{}.eml", letter.order));
        let written = tokio::task::spawn_blocking(move || write(&folder, &name, &content)).await;
        Ok(written.map_err(io::Error::other)??)
    }

    /// Removes what has been in the folder for too long.
    pub(super) async fn clear(&self) -> io::Result<()> {
        let folder = self.outbox.clone();
        tokio::task::spawn_blocking(move || clear(&folder)).await.map_err(io::Error::other)?
    }
}

/// After a crash the file is there whole, or not at all.
fn write(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    make_private(folder)?;
    let fresh = folder.join(format!(".{name}.new"));
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    files::write_private(&fresh, content)?;
    std::fs::rename(&fresh, folder.join(name))
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn clear(folder: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
        if age > OUTBOX_KEPT && entry.path().extension().is_some_and(|ending| ending == "eml") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            order: 101_000,
            store: "Logan".into(),
            placed: "today".into(),
            lines: Vec::new(),
            total_cents: 205,
            payment: "Paid.".into(),
        }
    }

    #[test]
    fn servers_are_read_and_kept_secret() {
        let from = "CodePop <receipts@example.com>";
        for good in [
            "smtps://ada:secret@mail.example.com:465",
            "smtp://ada:secret@mail.example.com",
            "smtp://127.0.0.1:2525",
            "smtp://localhost:25",
        ] {
            let settings = MailSettings::read(good, from).unwrap();
            assert!(!format!("{settings:?}").contains("secret"));
        }
        for bad in ["", "http://mail.example.com", "mail.example.com", "smtp://"] {
            assert!(MailSettings::read(bad, from).is_err(), "{bad}");
        }
        assert!(MailSettings::read("smtp://localhost", "nobody").is_err());
    }

    #[test]
    fn nothing_goes_over_a_network_in_clear() {
        let shown = |url: &str| format!("{:?}", MailSettings::read(url, "a@b.example").unwrap().server);
        assert!(shown("smtp://mail.example.com").contains("Required"));
        assert!(shown("smtp://mail.example.com?tls=none").contains("Required"));
        assert!(shown("smtp://localhost.example.com?tls=opportunistic").contains("Required"));
        assert!(!shown("smtp://127.0.0.1:25").contains("Required"));
    }

    #[tokio::test]
    async fn without_a_server_it_is_a_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = folder.path().join("outbox");
        let mailer = Mailer::new(None, outbox.clone());
        assert!(!mailer.send(&letter(), Some("ada@example.com")).await.unwrap());
        for to in [Some("ada@example.com"), None, Some("not an address")] {
            mailer.file(&letter(), to).await.unwrap();
            let path = outbox.join("101000.eml");
            let mail = std::fs::read_to_string(&path).unwrap();
            assert!(mail.contains("Subject: Your receipt for order 101000"));
            assert_eq!(mail.contains("To: ada@example.com"), to == Some("ada@example.com"));
            assert!(mail.contains("text/plain") && mail.contains("text/html"));
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            }
        }
        mailer.clear().await.unwrap();
        assert_eq!(std::fs::read_dir(&outbox).unwrap().count(), 1);
    }
}
