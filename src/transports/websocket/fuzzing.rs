//! The way in for the fuzz target `websocket`, for which alone this is compiled: the guard, the decoder and the
//! fragments as the connection puts them together, without the actor around them.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use actix_codec::Decoder as _;
use actix_http::ws::{Codec, Frame};
use actix_web::error::PayloadError;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;

use super::fragments::{Assembly, Fragments};
use super::guard::{Guard, Intake};
use crate::protocol::frame::CONTROL_MAX;

/// A whole message, or a control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Text(Bytes),
    Binary(Bytes),
    Ping(Bytes),
    Pong(Bytes),
}

/// Hears what comes in `chunks` until its end, a close frame or the first that is not as it should be;
/// answers it, and the most bytes that waited for the decoder.
pub fn hear(chunks: Vec<Bytes>, most: usize) -> (Vec<Heard>, usize) {
    let intake = Intake::default();
    let chunks = futures_util::stream::iter(chunks.into_iter().map(Ok::<_, PayloadError>));
    let mut guard = Guard::new(chunks, most.max(CONTROL_MAX), intake.clone());
    let mut codec = Codec::new().max_size(most);
    let mut fragments = Fragments::new(true);
    let mut buffer = BytesMut::new();
    let (mut heard, mut waited) = (Vec::new(), 0);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        // All that the guard gives before a frame is decoded, as the connection does.
        let is_over = loop {
            match Pin::new(&mut guard).poll_next(&mut cx) {
                Poll::Ready(Some(Ok(chunk))) => buffer.extend_from_slice(&chunk),
                Poll::Ready(None) => break true,
                // Given only when all that came before was heard.
                Poll::Ready(Some(Err(_))) => return (heard, waited),
                Poll::Pending => break false,
            }
        };
        waited = waited.max(buffer.len());
        match codec.decode(&mut buffer) {
            Ok(Some(frame)) => {
                intake.heard();
                match understood(frame, &mut fragments, most) {
                    Ok(message) => heard.extend(message),
                    Err(End) => return (heard, waited),
                }
            }
            // The connection would be deaf from here on.
            Ok(None) if !is_over => panic!("the guard waits for a frame that the decoder does not have"),
            Ok(None) | Err(_) => return (heard, waited),
        }
    }
}

/// The connection ends here.
struct End;

fn understood(frame: Frame, fragments: &mut Fragments, most: usize) -> Result<Option<Heard>, End> {
    let message = match frame {
        Frame::Text(bytes) => Heard::Text(bytes),
        Frame::Binary(bytes) => Heard::Binary(bytes),
        Frame::Ping(payload) => Heard::Ping(payload),
        Frame::Pong(payload) => Heard::Pong(payload),
        Frame::Continuation(item) => match fragments.add(item, most) {
            Assembly::Incomplete => return Ok(None),
            Assembly::Text(bytes) => Heard::Text(bytes),
            Assembly::Binary(bytes) => Heard::Binary(bytes),
            Assembly::TooLarge | Assembly::NotText | Assembly::OutOfOrder => return Err(End),
        },
        Frame::Close(_) => return Err(End),
    };
    match &message {
        Heard::Text(bytes) if std::str::from_utf8(bytes).is_err() => Err(End),
        _ => Ok(Some(message)),
    }
}
