//! Mail as files: one `.eml` per mail in a folder, with the bytes that SMTP would carry. What
//! development uses, and what a server without a mail relay can have collected by something else.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use lettre::message::Mailbox;

use super::{Mail, MailError, MailSetupError, Mailer, Sending, message};
use crate::config::MailSettings;

/// The most characters that a Message-ID gives a file's name; file systems allow 255 bytes in all.
const ID_IN_NAME_MAX: usize = 150;

/// Tells apart the temporary files of one process.
static TEMPORARY: AtomicU64 = AtomicU64::new(0);

/// Writes `{outbox}/{time}-{message id}.eml`. The time is the mail's own date, so a second attempt
/// replaces the file of the first one.
#[derive(Debug)]
pub(super) struct FileMailer {
    outbox: PathBuf,
    from: Mailbox,
}

impl FileMailer {
    pub(super) fn open(settings: &MailSettings) -> Result<Self, MailSetupError> {
        let from = message::parse_from(&settings.from)?;
        let outbox = PathBuf::from(&settings.outbox);
        fs::create_dir_all(&outbox).map_err(MailSetupError::Outbox)?;
        Ok(Self { outbox, from })
    }
}

impl Mailer for FileMailer {
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a> {
        Box::pin(async move {
            let bytes = message::build(&self.from, mail)?.formatted();
            let (outbox, name) = (self.outbox.clone(), file_name(mail));
            tokio::task::spawn_blocking(move || write(&outbox, &name, &bytes))
                .await
                .map_err(|_| MailError::Temporary("writing the mail was interrupted".to_owned()))?
                .map_err(|error| MailError::Temporary(format!("writing the mail failed: {}", error.kind())))
        })
    }
}

/// `20260106T153045.123Z-0198…@example.org.eml`, of characters that any file system takes.
fn file_name(mail: &Mail) -> String {
    let time = mail.date.to_utc().format("%Y%m%dT%H%M%S%.3fZ");
    let id: String = mail
        .message_id
        .trim_matches(['<', '>'])
        .chars()
        .take(ID_IN_NAME_MAX)
        .map(|c| if c.is_ascii_alphanumeric() || "@.-_".contains(c) { c } else { '_' })
        .collect();
    format!("{time}-{id}.eml")
}

/// Writes beside the place and renames: whoever watches the folder sees whole mails only.
fn write(outbox: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(outbox)?;
    let number = TEMPORARY.fetch_add(1, Ordering::Relaxed);
    let temporary = outbox.join(format!(".{}-{number}.tmp", std::process::id()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&temporary, outbox.join(name)));
    if renamed.is_err() {
        // The first error is the one worth telling; a left-over file is only untidy.
        let _ = fs::remove_file(&temporary);
    }
    renamed
}
