//! The links in a mail to where its reader chooses what comes by mail.

use url::Url;

use crate::auth::{Links, Scope};
use crate::domain::{Notification, PageAddress};
use crate::email::MailLinks;

/// See the module's documentation.
#[derive(Debug)]
pub struct Choices {
    pub links: Links,
    pub address: PageAddress,
}

impl Choices {
    /// The same for each attempt at the same mail; none where this server's own address is not known.
    pub(super) fn of(&self, notification: &Notification) -> Option<MailLinks> {
        if !self.address.is_known() {
            return None;
        }
        let scope = Scope::Mail(notification.category.clone());
        let key = self.links.issue(&notification.user, &scope, notification.created_at);
        let url = |text: String| Url::parse(&text).ok();
        Some(MailLinks {
            preferences: url(self.address.preferences(&key))?,
            unsubscribe: url(self.address.unsubscribe(&key))?,
        })
    }
}
