//! A connection that was let in at a door. Where it came through a proxy it holds a place of the address that the
//! proxy named, until its answer has ended.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;

use super::connections::Place;

/// See the module's documentation.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub struct Entry(Option<Place>);

impl Entry {
    pub(super) fn new(place: Option<Place>) -> Self {
        Self(place)
    }

    /// Holds the place for as long as this answer lasts.
    pub fn until_the_end_of(self, response: HttpResponse) -> HttpResponse {
        match self.0 {
            Some(place) => response.map_body(|_, body| BoxBody::new(Holding { body, _place: place })),
            None => response,
        }
    }
}

/// A body that holds a place.
struct Holding {
    body: BoxBody,
    _place: Place,
}

impl MessageBody for Holding {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
