//! Keeps the times of all connections of one thread: one task looks at them all, because the connection of a
//! client that has stopped reading is never polled, and a timer for each would cost each its memory.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

/// What has times to keep.
pub(super) trait Timed {
    /// Looks at the times; false when there are none any more.
    fn tick(&self, now: Instant) -> bool;
}

thread_local! {
    static KEPT: RefCell<Vec<Weak<dyn Timed>>> = const { RefCell::new(Vec::new()) };
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the times of `timed` while it lives, looking at them every `pace`; the first one's pace is that of all of
/// the thread.
pub(super) fn keep<T: Timed + 'static>(timed: &Rc<T>, pace: Duration) {
    let weak = Rc::downgrade(timed);
    KEPT.with_borrow_mut(|kept| kept.push(weak));
    if !IS_RUNNING.replace(true) {
        actix::spawn(run(pace));
    }
}

/// Runs while there is anything to keep.
async fn run(pace: Duration) {
    let _running = Running;
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = ticks.tick().await;
        // A tick may open a connection or drop one: the list is not held meanwhile.
        let kept = KEPT.take();
        let mut left: Vec<_> =
            kept.into_iter().filter(|weak| weak.upgrade().is_some_and(|timed| timed.tick(now))).collect();
        let is_idle = KEPT.with_borrow_mut(|added| {
            left.append(added);
            *added = left;
            added.is_empty()
        });
        if is_idle {
            return;
        }
    }
}

/// Marks the end of the task, also when its thread's system ends.
struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        // At the end of the thread there is nothing left to mark.
        let _ = IS_RUNNING.try_with(|running| running.set(false));
    }
}
