//! How long a client may take for its next request, from its connection or the end of the last answer until the head is
//! complete. The HTTP server has a time for the first head and one for an idle connection; whoever sends a byte after an
//! answer, or part of a body that nobody wants, is past both.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::allowance::Allowance;

/// See the module's documentation. One for each connection; without a timer while a long answer lasts, as those are that
/// sessions are on.
#[derive(Debug)]
pub(super) struct Patience {
    most: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(super) fn new(most: Duration) -> Self {
        Self { most, timer: None }
    }

    /// Ready when it is over; who asks is woken then.
    pub(super) fn poll(&mut self, allowance: &Allowance, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll(cx));
            }
            // It is set by what is long over: looked at anew only when it ends, requests that come quickly cost nothing.
            self.timer = None;
            let Some(since) = allowance.quiet_since(cx) else { return Poll::Pending };
            let end = since + self.most;
            if end <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer = Some(Box::pin(sleep_until(end)));
        }
    }
}
