//! The mail server for receipts, as the operator says.

use super::{
    Refused,
    setting::{SMTP_FROM, SMTP_URL, Values},
};
use crate::receipts::{MailSettings, sender};

/// The mail server; none when no address is given.
///
/// # Errors
/// The address is none, or nobody is named as the sender. The address is not repeated: it may hold a password.
pub(super) fn read(values: &Values<'_>) -> Result<Option<MailSettings>, Refused> {
    let from = values.get(SMTP_FROM, |text| sender(text).map(|_| text.to_owned()))?;
    let Some(url) = values.text(SMTP_URL) else { return Ok(None) };
    let from = from.ok_or_else(|| {
        let wanted = "must be an e-mail address, because SMTP_URL is set";
        Refused::plain(format!("{} (or {}) is not set: {wanted}", SMTP_FROM.option, SMTP_FROM.variable))
    })?;
    let settings = MailSettings::read(url, &from);
    settings.map(Some).map_err(|allowed| values.refuse(SMTP_URL, "(not shown)", allowed))
}
