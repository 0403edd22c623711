//! `GET /notifications/sse/test`: a stream that shows whether streams come through to whoever asks, a second at a time.
//! It needs no token, tells nothing of anybody, ends by itself, and there are only so many at once.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::{Error, HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::{SseDoor, event_stream, gone_for_good, last_event_id, streaming};
use crate::actors::session::Services;
use crate::domain::CloseReason;
use crate::http::{Limits, Problem};
use crate::protocol::json;
use crate::protocol::sse;
use crate::protocol::wire::{Wanted, Wire};

/// The pause between two events, and how many there are.
const PACE: Duration = Duration::from_secs(1);
const EVENTS: i64 = 30;

/// Opens a stream of events that count.
pub async fn open(
    request: HttpRequest,
    services: web::Data<Services>,
    door: web::Data<SseDoor>,
    limits: web::Data<Limits>,
) -> Result<HttpResponse, Problem> {
    let Ok(entry) = limits.enter(&request) else { return Ok(door.turn_away(CloseReason::TryAgainLater)) };
    let last = last_event_id(&request)?;
    if last.as_ref().is_some_and(|last| last.is_end) {
        return Ok(gone_for_good());
    }
    if request.method() == Method::HEAD {
        return Ok(event_stream().finish());
    }
    let Ok(permit) = door.trials.clone().try_acquire_owned() else {
        return Ok(door.turn_away(CloseReason::TryAgainLater));
    };
    let counted = last.map_or(0, |last| last.seq).min(EVENTS);
    let trial = Trial { services, counted, next: Instant::now(), _permit: permit };
    let beginning = format!("{}{}", door.retry(1.0), trial.greeting());
    let events = stream::unfold(Some((trial, Some(beginning))), |state| async {
        let (mut trial, beginning) = state?;
        if let Some(beginning) = beginning {
            return Some((Ok::<Bytes, Error>(beginning.into()), Some((trial, None))));
        }
        sleep_until(trial.next).await;
        let (bytes, goes_on) = trial.event();
        Some((Ok(bytes), goes_on.then_some((trial, None))))
    });
    Ok(entry.until_the_end_of(streaming(&request, Box::pin(events))))
}

/// One such stream.
struct Trial {
    services: web::Data<Services>,
    counted: i64,
    next: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Trial {
    fn greeting(&self) -> String {
        let message = "this stream works: it counts to thirty, a second at a time";
        let data = json!({ "message": message, "serverTime": self.services.clock.now() });
        let mut stream = BytesMut::new();
        sse::put(&mut stream, "connected", &json::data(data), None);
        String::from_utf8_lossy(&stream).into_owned()
    }

    /// The next event, and whether another one follows.
    fn event(&mut self) -> (Bytes, bool) {
        self.next = Instant::now() + PACE;
        let reason = if self.services.is_draining() {
            CloseReason::ServerRestart
        } else if self.counted >= EVENTS {
            CloseReason::TtlElapsed
        } else {
            self.counted += 1;
            let data = json!({ "count": self.counted, "serverTime": self.services.clock.now() });
            let mut stream = BytesMut::new();
            sse::put(&mut stream, "test", &json::data(data), Some(&self.counted.to_string()));
            return (stream.freeze(), true);
        };
        (Wire::Sse(Wanted::default()).goodbye(reason, &self.counted.to_string()).unwrap_or_default(), false)
    }
}
