//! How fast one connection may speak: a fixed window, as front ends in the field expect it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::SessionSettings;

/// How many frames beside events a client may send in a window: pings, pongs that nobody asked for and
/// fragments. The largest message there is by default is 1,024 fragments of 64 bytes; twice that is plenty.
const FRAMES_BESIDE: u32 = 2_048;

/// Counts a connection's events, or its frames.
#[derive(Debug)]
pub(super) struct RateWindow {
    window: Duration,
    most: u32,
    /// How many refusals in one window are forgiven.
    strikes: u32,
    began: Option<Instant>,
    count: u32,
}

/// Counts the frames of a connection, whatever they are. Clones count together: a connection may have more than
/// one session.
#[derive(Debug, Clone)]
pub struct FrameRate(Rc<RefCell<RateWindow>>);

impl FrameRate {
    pub fn new(settings: &SessionSettings) -> Self {
        Self(Rc::new(RefCell::new(RateWindow::of_frames(settings))))
    }

    /// Counts one more; answers whether there were too many.
    pub fn is_exceeded_by_one_more(&self) -> bool {
        self.0.borrow_mut().count(Instant::now()) != Verdict::Fits
    }

    /// Takes back what was counted last.
    pub(super) fn forgive(&self) {
        let mut rate = self.0.borrow_mut();
        rate.count = rate.count.saturating_sub(1);
    }
}

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fits,
    Over {
        retry_after: Duration,
    },
    /// The client was told and went on.
    Struck,
}

impl RateWindow {
    pub(super) fn new(settings: &SessionSettings) -> Self {
        Self {
            window: Duration::from_millis(settings.rate_limit_window_ms),
            most: settings.rate_limit_max_requests,
            strikes: settings.rate_limit_strikes,
            began: None,
            count: 0,
        }
    }

    /// For frames of any kind: all the events that are heard fit, and [`FRAMES_BESIDE`] more.
    fn of_frames(settings: &SessionSettings) -> Self {
        let events = settings.rate_limit_max_requests.saturating_add(settings.rate_limit_strikes);
        Self { most: events.saturating_add(FRAMES_BESIDE), strikes: 0, ..Self::new(settings) }
    }

    pub(super) fn count(&mut self, now: Instant) -> Verdict {
        let ends = self.began.map(|began| began + self.window).filter(|ends| *ends > now);
        let Some(ends) = ends else {
            self.began = Some(now);
            self.count = 1;
            return if self.most == 0 { Verdict::Struck } else { Verdict::Fits };
        };
        self.count = self.count.saturating_add(1);
        if self.count <= self.most {
            Verdict::Fits
        } else if self.count - self.most <= self.strikes {
            Verdict::Over { retry_after: ends - now }
        } else {
            Verdict::Struck
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_window_takes_its_number_then_warns_then_strikes_and_ends() {
        let mut rate =
            RateWindow { window: Duration::from_secs(5), most: 2, strikes: 1, began: None, count: 0 };
        let start = Instant::now();
        assert_eq!(rate.count(start), Verdict::Fits);
        assert_eq!(rate.count(start), Verdict::Fits);
        let later = start + Duration::from_secs(1);
        assert_eq!(rate.count(later), Verdict::Over { retry_after: Duration::from_secs(4) });
        assert_eq!(rate.count(later), Verdict::Struck);
        assert_eq!(rate.count(start + Duration::from_secs(5)), Verdict::Fits);
    }
}
