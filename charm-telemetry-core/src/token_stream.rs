//! A model's stream, passed through: each item is told as a token on its way.
//!
//! Rule: nothing is held back and nothing changed; whoever reads the stream sees what the model sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::call::LlmCall;

/// What [`LlmCall::wrap_stream`] returns.
///
/// ```
/// # use charm_telemetry_core::{LlmEnd, LlmStart, Manager, testing::MemoryWriter};
/// # use futures_util::{StreamExt as _, stream};
/// # let manager = Manager::builder().stdout(MemoryWriter::new()).start()?;
/// # let run = manager.start_run(&"hi");
/// # let mut call = run.llm_call(LlmStart::new("gpt-4o"));
/// # futures_executor::block_on(async {
/// let tokens = call.wrap_stream(stream::iter(["Hel", "lo"]), |token| Some(*token));
/// assert_eq!(tokens.collect::<String>().await, "Hello");
/// # });
/// # call.finish(LlmEnd::new());
/// # assert!(run.has_streamed());
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Debug)]
#[must_use = "a stream does nothing until it is polled"]
pub struct TokenStream<'a, S, F> {
    call: &'a mut LlmCall,
    stream: S,
    text: F,
}

impl<'a, S, F> TokenStream<'a, S, F> {
    pub(crate) fn new(call: &'a mut LlmCall, stream: S, text: F) -> Self {
        Self { call, stream, text }
    }
}

impl<S, F> Stream for TokenStream<'_, S, F>
where
    S: Stream + Unpin,
    F: FnMut(&S::Item) -> Option<&str> + Unpin,
{
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = &mut *self;
        let next = Pin::new(&mut this.stream).poll_next(cx);
        if let Poll::Ready(Some(item)) = &next
            && let Some(token) = (this.text)(item)
        {
            this.call.token(token);
        }
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}
