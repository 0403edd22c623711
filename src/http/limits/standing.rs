//! How whoever sent a request stands with its limit, as its answer says: the fields `RateLimit-Policy` and `RateLimit`
//! of draft-ietf-httpapi-ratelimit-headers-10, and the problem of who has nothing left.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::rate::{Left, Rate};
use crate::http::problem::Problem;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Which limit counts for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    User,
    Service,
    Address,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Standing {
    policy: Policy,
    rate: Rate,
    left: Left,
}

impl Standing {
    pub(super) fn new(policy: Policy, rate: Rate, left: Left) -> Self {
        Self { policy, rate, left }
    }

    pub(super) fn is_refused(&self) -> bool {
        self.left.retry_after.is_some()
    }

    /// For the figures.
    pub(super) fn label(&self) -> &'static str {
        match self.policy {
            Policy::User => "user_rate",
            Policy::Service => "service_rate",
            Policy::Address => "address_rate",
        }
    }

    pub(super) fn problem(&self) -> Option<Problem> {
        let detail = match self.policy {
            Policy::User => "too many requests from this user: try again later",
            Policy::Service => "too many requests from this service: try again later",
            Policy::Address => "too many requests from this address: try again later",
        };
        Some(Problem::too_many("rate_limited", detail).after(self.left.retry_after?))
    }

    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let name = match self.policy {
            Policy::User => "user",
            Policy::Service => "service",
            Policy::Address => "address",
        };
        let (quota, window) = (self.rate.quota(), self.rate.window().as_secs());
        let (remaining, reset) = match self.left.retry_after {
            Some(retry_after) => (0, retry_after),
            None => (self.left.remaining, self.left.full_in),
        };
        for (field, value) in [
            (POLICY, format!("\"{name}\";q={quota};w={window}")),
            (LIMIT, format!("\"{name}\";r={remaining};t={}", whole_seconds(reset))),
        ] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(field, value);
            }
        }
    }
}

/// A part of a second is one: who comes earlier would be too early.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
