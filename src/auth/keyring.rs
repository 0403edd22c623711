//! The keys in force, and those that the files have by now. A file that changes is read again without a restart: its
//! contents are compared, so that it does not matter how it was replaced, and one that cannot be used changes nothing.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::error::AuthSetupError;
use super::keys::{self, Key};
use crate::config::AuthSettings;
use crate::domain::KeyMark;

/// The largest file that is read: hundreds of keys fit.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Keyring {
    settings: AuthSettings,
    keys: RwLock<Arc<[Key]>>,
    /// What was read last, whether or not it could be used.
    last: Mutex<Last>,
}

#[derive(Debug)]
enum Last {
    Read(KeyFiles),
    Unreadable,
}

/// What came of looking at the files again.
#[derive(Debug)]
pub enum Reload {
    Unchanged,
    /// Their keys are in force.
    Loaded,
    /// They cannot be used; the keys of before stay in force. Said once for each state of the files.
    Failed(AuthSetupError),
}

/// The contents of the files that keys come from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeyFiles {
    pub(super) pem: Option<String>,
    pub(super) key_set: Option<String>,
}

impl KeyFiles {
    fn read(settings: &AuthSettings) -> Result<Self, AuthSetupError> {
        let read = |key, path: &Option<String>| {
            let text = path.as_ref().map(|path| {
                read_bounded(path).map_err(|source| {
                    let path = path.clone();
                    AuthSetupError::Unreadable { key, path, source }
                })
            });
            text.transpose()
        };
        Ok(Self {
            pem: read("auth.jwt_public_key_file", &settings.jwt_public_key_file)?,
            key_set: read("auth.jwks_file", &settings.jwks_file)?,
        })
    }
}

fn read_bounded(path: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large for one with keys"));
    }
    Ok(text)
}

impl Keyring {
    pub(super) fn new(settings: &AuthSettings) -> Result<Self, AuthSetupError> {
        let files = KeyFiles::read(settings)?;
        let keys = keys::load(settings, &files)?;
        Ok(Self {
            settings: settings.clone(),
            keys: RwLock::new(keys.into()),
            last: Mutex::new(Last::Read(files)),
        })
    }

    /// The keys in force now.
    pub(super) fn keys(&self) -> Arc<[Key]> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn has(&self, mark: KeyMark) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).iter().any(|key| key.mark() == mark)
    }

    /// Reads the files and, where they have changed, has their keys be those in force, all at once.
    pub(super) fn reload(&self) -> Reload {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let files = match KeyFiles::read(&self.settings) {
            Ok(files) => files,
            Err(_) if matches!(*last, Last::Unreadable) => return Reload::Unchanged,
            Err(error) => {
                *last = Last::Unreadable;
                return Reload::Failed(error);
            }
        };
        if matches!(&*last, Last::Read(known) if *known == files) {
            return Reload::Unchanged;
        }
        let loaded = keys::load(&self.settings, &files);
        *last = Last::Read(files);
        match loaded {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
                Reload::Loaded
            }
            Err(error) => Reload::Failed(error),
        }
    }
}
