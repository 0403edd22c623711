//! The files, by the name under which they are served. A new one gets its line here.

use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;

use bytes::Bytes;

use crate::http::asset::{Asset, SCRIPT, STYLE};

/// What the pages may do: load what is served beside them, ask this server, and show a mail in a frame. They are in
/// nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
/// Types for TypeScript, which are read by people and compilers alike.
const TYPES: &str = "text/plain; charset=utf-8";

macro_rules! file {
    ($kind:expr, $path:literal) => {
        LazyLock::new(|| Asset::new($kind, Bytes::from_static(include_bytes!($path))))
    };
}

macro_rules! page {
    ($path:literal) => {
        LazyLock::new(|| Asset::page(include_bytes!($path), POLICY))
    };
}

pub(super) static CLIENT: LazyLock<Asset> = file!(SCRIPT, "client/bellhop.js");
pub(super) static CLIENT_TYPES: LazyLock<Asset> = file!(TYPES, "client/bellhop.d.ts");
pub(super) static BELL: LazyLock<Asset> = file!(SCRIPT, "bell/bellhop-bell.js");
pub(super) static BELL_TYPES: LazyLock<Asset> = file!(TYPES, "bell/bellhop-bell.d.ts");
pub(super) static DEMONSTRATION: LazyLock<Asset> = page!("demo/demo.html");
pub(super) static DESK: LazyLock<Asset> = page!("desk/desk.html");
pub(super) static PREFERENCES: LazyLock<Asset> = page!("preferences/preferences.html");

/// Makes the list of what `/assets/` has, from the files of each folder.
macro_rules! assets {
    ($($folder:literal: $($name:literal),+;)+) => {
        /// The names, for the document.
        pub(super) const NAMES: &[&str] = &[$($($name),+),+];

        static ASSETS: LazyLock<HashMap<&str, Asset>> = LazyLock::new(|| HashMap::from([$($(
            ($name, asset($name, include_bytes!(concat!($folder, "/", $name)))),
        )+)+]));
    };
}

assets! {
    ".": "tokens.css";
    "bell":
        "bell-acts.js",
        "bell-dom.js",
        "bell-inbox.js",
        "bell-language.js",
        "bell-line.js",
        "bell-list.js",
        "bell-panel.js",
        "bell-place.js",
        "bell-sound.js",
        "bell-style.js",
        "bell-texts-rtl.js",
        "bell-texts.js",
        "bell-toasts.js",
        "bell-token.js";
    "demo":
        "demo-api.js",
        "demo-mail.js",
        "demo-phone.css",
        "demo-phone.js",
        "demo-steps.js",
        "demo.css",
        "demo.js";
    "desk":
        "desk-actions.js",
        "desk-api.js",
        "desk-audit.js",
        "desk-broadcast.js",
        "desk-dom.js",
        "desk-figures.js",
        "desk-filters.js",
        "desk-live.js",
        "desk-log.js",
        "desk-notices.js",
        "desk-now.js",
        "desk-overview.js",
        "desk-plot.js",
        "desk-presence.js",
        "desk-readiness.js",
        "desk-route.js",
        "desk-scale.js",
        "desk-session.js",
        "desk-signin.js",
        "desk-table.js",
        "desk-time.js",
        "desk-trail.js",
        "desk-user.js",
        "desk-views.css",
        "desk-words.js",
        "desk.css",
        "desk.js";
    "preferences":
        "preferences-texts.js",
        "preferences.css",
        "preferences.js";
}

fn asset(name: &str, bytes: &'static [u8]) -> Asset {
    let is_style = Path::new(name).extension().is_some_and(|extension| extension == "css");
    let kind = if is_style { STYLE } else { SCRIPT };
    Asset::new(kind, Bytes::from_static(bytes))
}

pub(super) fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.get(name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    /// What is served at a path of its own.
    const OTHERS: [&str; 7] = [
        "bellhop.js",
        "bellhop.d.ts",
        "bellhop-bell.js",
        "bellhop-bell.d.ts",
        "demo.html",
        "desk.html",
        "preferences.html",
    ];

    fn names(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                names(&path, found);
            } else if path.extension().is_none_or(|extension| extension != "rs") {
                assert!(found.insert(name.clone()), "{name} is there twice, and served under one name");
            }
        }
    }

    #[test]
    fn every_file_of_the_pages_is_served() {
        let mut files = BTreeSet::new();
        names(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web"), &mut files);
        let served: BTreeSet<String> = NAMES.iter().chain(&OTHERS).map(|name| (*name).to_owned()).collect();
        assert_eq!(files, served);
        assert!(NAMES.iter().all(|name| find(name).is_some()));
    }
}
