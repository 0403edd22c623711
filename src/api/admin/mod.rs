//! What administrators do and look at, a file per resource. Each of these is itself in the audit, before it is done
//! or shown.

pub(super) mod audit;
pub(super) mod broadcast;
pub(super) mod disconnect;
pub(super) mod logs;
pub(super) mod presence;
pub(super) mod query;
pub(super) mod revoke;
pub(super) mod stats;
pub(super) mod trail;
