//! The deliveries of one of several consumers, each with the number of its source.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt as _};

/// A consumer's stream that tells whose it is, and its end as an item: `SelectAll` would drop it silently.
pub(super) struct Numbered {
    number: usize,
    stream: Option<lapin::Consumer>,
}

/// What came in on a stream; `None` at its end.
pub(super) type Item = Option<lapin::Result<lapin::message::Delivery>>;

impl Numbered {
    pub(super) fn new(number: usize, stream: lapin::Consumer) -> Self {
        Self { number, stream: Some(stream) }
    }
}

impl Stream for Numbered {
    type Item = (usize, Item);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        let item = ready!(stream.poll_next_unpin(cx));
        if item.is_none() {
            self.stream = None;
        }
        Poll::Ready(Some((self.number, item)))
    }
}
