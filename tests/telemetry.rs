//! What operators see: log lines, figures, health.

mod requests;
