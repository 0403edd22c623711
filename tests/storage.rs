//! What the storage layer promises, over both databases and without a server in front of it.

mod append;
mod confirmations;
mod deliveries;
mod history;
mod inboxes;
mod patience;
mod plans;
mod pool;
mod receipts;
mod recipients;
mod retention;
mod revocations;
mod secrets;
