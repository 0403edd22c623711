//! What administrators look at and do: every route of theirs, who may not, and what of it is kept.

mod access;
mod audit;
mod broadcast;
mod logs;
mod oversight;
mod presence;
mod stats;
