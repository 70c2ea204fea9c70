//! A list that comes in pages, item by item.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use crate::{Call, Error};

type PageFuture<T> = Pin<Box<dyn Future<Output = Result<Page<T>, Error>> + Send>>;

/// One page, and the token of the next one: empty after the last.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_token: String,
}

/// All items of a list. A page is asked for when the one before it has been read; an error ends the list.
#[must_use = "a list is not asked for until it is read"]
pub struct Pages<T> {
    ask: Box<dyn FnMut(String) -> PageFuture<T> + Send>,
    items: VecDeque<T>,
    next: Next<T>,
}

// unasked -> asked [the items before are read]  asked -> unasked | over [a page]
enum Next<T> {
    Unasked(String),
    Asked(PageFuture<T>),
    Over,
}

impl<T: Send + 'static> Pages<T> {
    /// `ask` makes the call for the page of a token, `read` takes its response apart.
    pub(crate) fn new<R: Send + 'static>(
        mut ask: impl FnMut(String) -> Call<'static, R> + Send + 'static,
        read: fn(R) -> Page<T>,
    ) -> Self {
        Self {
            ask: Box::new(move |token| {
                let page = ask(token).into_future();
                Box::pin(async move { page.await.map(read) })
            }),
            items: VecDeque::new(),
            next: Next::Unasked(String::new()),
        }
    }
}

impl<T> Pages<T> {
    /// The next item, or `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        poll_fn(|context| self.poll_item(context)).await
    }

    /// All items that are left.
    pub async fn collect(mut self) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        while let Some(item) = self.next().await {
            items.push(item?);
        }
        Ok(items)
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, Error>>> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            match &mut self.next {
                Next::Unasked(token) => self.next = Next::Asked((self.ask)(std::mem::take(token))),
                Next::Asked(page) => match ready!(page.as_mut().poll(context)) {
                    Ok(Page { items, next_token }) => {
                        self.items = items.into();
                        self.next = if next_token.is_empty() {
                            Next::Over
                        } else {
                            Next::Unasked(next_token)
                        };
                    }
                    Err(error) => {
                        self.next = Next::Over;
                        return Poll::Ready(Some(Err(error)));
                    }
                },
                Next::Over => return Poll::Ready(None),
            }
        }
    }
}

impl<T: Unpin> Stream for Pages<T> {
    type Item = Result<T, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_item(context)
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("is_over", &(self.items.is_empty() && matches!(self.next, Next::Over)))
            .finish_non_exhaustive()
    }
}
