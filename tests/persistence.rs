//! The persistence actor by itself: a real database behind it, a real hub beside it, and in place of
//! sessions and mail a probe that says what reached it. Clock and ids can be stopped and spoilt.

mod batches;
mod bench;
mod failures;
mod pushes;
mod receipts;
mod selections;
