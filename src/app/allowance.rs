//! How much of a connection is read before the server has got on with what it has: between the stream, which asks here
//! before it reads, and the HTTP service, which says what is being answered. The HTTP server reads on by itself while a
//! request is answered, keeps what it cannot use yet, and turns in circles once it holds enough of that; so a client
//! that sends requests and does not read the answers would cost memory, and a processor for as long as it stays.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use actix_http::error::PayloadError;
use actix_http::{BoxedPayloadStream, Payload, Request, Response};
use actix_service::Service;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::Instant;

/// How much of requests is read ahead: some of those that a client sends at once, the rest when they are answered. They
/// grow a hundredfold when they are parsed.
const AHEAD: usize = 1_024;
/// How much more of a body is read when it is asked for. The HTTP server turns in circles at 128 KiB.
const MORE: usize = 8 * 1_024;
/// How much of an answer the HTTP server gets at once, of which it makes copies that wait for the client.
const PIECE: usize = 16 * 1_024;

/// See the module's documentation. One for each connection, which never leaves its worker.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowance(Rc<State>);

#[derive(Debug)]
struct State {
    /// How many bytes may still be read.
    left: Cell<usize>,
    /// How many requests are being answered: an answer lasts until all of it has been asked for.
    answering: Cell<usize>,
    /// What was to be written last has not all gone out.
    held_up: Cell<bool>,
    /// Since when nothing is being answered.
    quiet_since: Cell<Instant>,
    /// Who wanted to read more than is left.
    reader: RefCell<Option<Waker>>,
    /// Who wants to know when nothing is being answered any more.
    watcher: RefCell<Option<Waker>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            left: Cell::new(AHEAD),
            answering: Cell::new(0),
            held_up: Cell::new(false),
            quiet_since: Cell::new(Instant::now()),
            reader: RefCell::new(None),
            watcher: RefCell::new(None),
        }
    }
}

impl Allowance {
    /// How much may be read; if nothing, who asks is woken once it may.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<usize> {
        let left = self.0.left.get();
        if left > 0 {
            return Poll::Ready(left);
        }
        if self.0.answering.get() == 0 && !self.0.held_up.get() {
            // Next time the HTTP server comes by `written` first: a body that nobody wants it reads after that.
            cx.waker().wake_by_ref();
        }
        self.0.reader.replace(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// So many bytes were read.
    pub(super) fn take(&self, bytes: usize) {
        self.0.left.set(self.0.left.get().saturating_sub(bytes));
    }

    /// Not all that was to be written could go out.
    pub(super) fn hold_up(&self) {
        self.0.held_up.set(true);
    }

    /// Since when the client has been heard and answered and owes the next request; none while something is being
    /// answered, at the end of which who asks is woken.
    pub(super) fn quiet_since(&self, cx: &Context<'_>) -> Option<Instant> {
        let is_quiet = self.0.answering.get() == 0 && !self.0.held_up.get();
        self.0.watcher.replace((!is_quiet).then(|| cx.waker().clone()));
        is_quiet.then(|| self.0.quiet_since.get())
    }

    fn be_quiet(&self) {
        self.0.quiet_since.set(Instant::now());
        if let Some(watcher) = self.0.watcher.take() {
            watcher.wake();
        }
    }

    /// All that was to be written has gone out. Whoever then answers nothing has used up what was read, but for the
    /// beginning of a request.
    pub(super) fn written(&self) {
        if self.0.held_up.replace(false) {
            self.be_quiet();
        }
        if self.0.answering.get() == 0 {
            self.renew(AHEAD);
        }
    }

    fn renew(&self, bytes: usize) {
        self.0.left.set(bytes);
        if let Some(reader) = self.0.reader.take() {
            reader.wake();
        }
    }
}

/// Has a request answered, and notes from when to when.
pub(super) fn answer<S, B>(
    mut request: Request,
    service: &S,
) -> impl Future<Output = Result<Response<Answer>, S::Error>> + use<S, B>
where
    S: Service<Request>,
    S::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    let allowance = request.conn_data::<Allowance>().cloned().unwrap_or_default();
    if let Payload::H1 { .. } = request.payload() {
        let (bytes, allowance) = (request.take_payload(), allowance.clone());
        let payload: BoxedPayloadStream = Box::pin(Sent { bytes, allowance });
        *request.payload() = Payload::Stream { payload };
    }
    let turn = Turn::begin(allowance);
    let answered = service.call(request);
    async move {
        let response: Response<B> = answered.await?.into();
        Ok(response.map_body(|_, body| Answer { body: body.boxed(), rest: Bytes::new(), _turn: turn }))
    }
}

/// For as long as a request is being answered.
#[derive(Debug)]
struct Turn(Allowance);

impl Turn {
    fn begin(allowance: Allowance) -> Self {
        allowance.0.answering.set(allowance.0.answering.get() + 1);
        Self(allowance)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let answering = self.0.0.answering.get().saturating_sub(1);
        self.0.0.answering.set(answering);
        if answering == 0 {
            self.0.be_quiet();
        }
    }
}

/// The body of an answer; the HTTP server drops it when it has all of it.
#[derive(Debug)]
pub(super) struct Answer {
    body: BoxBody,
    /// What is left of the piece that the body gave last.
    rest: Bytes,
    _turn: Turn,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(cx)) {
                Some(Ok(bytes)) => self.rest = bytes,
                end => return Poll::Ready(end),
            }
        }
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(self.rest.split_to(piece))))
    }
}

/// The body of a request: whoever asks for more of it has used up what came.
#[derive(Debug)]
struct Sent<S> {
    bytes: S,
    allowance: Allowance,
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Sent<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.bytes).poll_next(cx);
        if !matches!(next, Poll::Ready(None)) {
            self.allowance.renew(MORE);
        }
        next
    }
}
