//! What operators see: log lines, figures, health.

mod figures;
mod lost;
mod pages;
mod requests;
mod secrets;
