//! The files, by the name under which they are served. A new one gets its line here.

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

/// Makes the list of what `/assets/` has.
macro_rules! assets {
    ($($kind:ident: $($folder:literal $name:literal),+;)+) => {
        /// The names, for the document.
        pub(super) const NAMES: &[&str] = &[$($($name),+),+];

        static ASSETS: LazyLock<Vec<(&str, Asset)>> = LazyLock::new(|| vec![$($(
            ($name, Asset::new($kind, Bytes::from_static(include_bytes!(concat!($folder, "/", $name))))),
        )+)+]);
    };
}

assets! {
    STYLE:
        "." "tokens.css",
        "preferences" "preferences.css";
    SCRIPT:
        "preferences" "preferences.js", "preferences" "preferences-texts.js";
}

pub(super) fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|(known, _)| *known == name).map(|(_, asset)| asset)
}
