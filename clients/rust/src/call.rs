//! A call that is described and not yet made: awaiting it makes it.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use tonic::metadata::MetadataMap;

use crate::rejoin::DEFAULT_PATIENCE;
use crate::v1::ChatResponse;
use crate::{ConversationTurn, Error, Turn};

type BoxFuture<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;

/// A call to be made. Nothing is sent before it is awaited; dropping it while it is awaited cancels it.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<'c, T> {
    options: Options,
    make: Box<dyn FnOnce(Options) -> BoxFuture<'c, Result<T, Error>> + Send + 'c>,
}

/// What is streamed, so that a connection which breaks leaves something to go on with.
pub trait Streamed: sealed::Streamed {}

impl Streamed for Turn {}
impl Streamed for ConversationTurn<'_> {}

mod sealed {
    pub trait Streamed {}
    impl Streamed for crate::Turn {}
    impl Streamed for crate::ConversationTurn<'_> {}
}

/// What a caller may say about one call.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<bool>,
    pub(crate) metadata: MetadataMap,
    /// For how long a stream that broke is rejoined. `None`: it is not.
    pub(crate) rejoin: Option<Duration>,
    /// Whether the call has a `request_id`, so that it runs once however often it is sent.
    pub(crate) idempotent: bool,
}

impl<'c, T> Call<'c, T> {
    pub(crate) fn new<F>(make: impl FnOnce(Options) -> F + Send + 'c) -> Self
    where
        F: Future<Output = Result<T, Error>> + Send + 'c,
    {
        Self {
            options: Options::default(),
            make: Box::new(|options| Box::pin(make(options))),
        }
    }

    /// How long the call may take in all, from the moment when it is awaited to the last event: waiting for a worker and
    /// retries included. Then it ends with [`Code::DeadlineExceeded`](tonic::Code::DeadlineExceeded), and the server
    /// interrupts the turn. Default: none here; the server's own is 10 minutes, and its maximum 60 minutes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Whether this call is sent again when the server refuses it for the moment. Default: as the client was built.
    pub fn retry(mut self, retry: bool) -> Self {
        self.options.retry = Some(retry);
        self
    }

    /// Metadata to send beside the token, such as a `traceparent`. Adds to what was given before; of a key that was given before
    /// only the new values are sent.
    pub fn metadata(mut self, metadata: MetadataMap) -> Self {
        let mut headers = std::mem::take(&mut self.options.metadata).into_headers();
        headers.extend(metadata.into_headers());
        self.options.metadata = MetadataMap::from_headers(headers);
        self
    }
}

impl<T: Streamed> Call<'_, T> {
    /// Rejoins the turn when its connection breaks: the turn goes on without its caller, and what it streamed meanwhile is
    /// read from where the connection broke. The stream has no seam: no event comes twice, and none is lost. Default: no.
    ///
    /// The request gets a `request_id`, unless it has one, and `ON_DISCONNECT_CONTINUE`. Dropping or cancelling the turn
    /// interrupts it by a call of its own, which needs tokio's runtime for a moment longer. So does its timeout.
    ///
    /// An [`Event::Gap`](crate::Event::Gap) says that the server no longer had some of the events: the text is incomplete
    /// then, and the result has it, up to 256 KiB.
    pub fn rejoin(self) -> Self {
        self.rejoin_for(DEFAULT_PATIENCE)
    }

    /// Like [`rejoin`](Self::rejoin), for so long without a sign of the turn. Default: 60 seconds.
    pub fn rejoin_for(mut self, patience: Duration) -> Self {
        self.options.rejoin = Some(patience);
        self
    }
}

impl Call<'_, ChatResponse> {
    /// Runs the turn once however often the call is sent, and so sends it again when the connection breaks, and while the
    /// server takes no calls for the moment: for 60 seconds without a sign of the turn. Default: no.
    ///
    /// The request gets a `request_id`, unless it has one, and `ON_DISCONNECT_CONTINUE`. Dropping the call interrupts the
    /// turn by a call of its own, which needs tokio's runtime for a moment longer.
    pub fn idempotent(mut self) -> Self {
        self.options.idempotent = true;
        self
    }
}

impl<T: Send + 'static> Call<'static, T> {
    /// The same call with a part of its answer.
    pub(crate) fn map<P: 'static>(self, part: fn(T) -> P) -> Call<'static, P> {
        Call {
            options: self.options,
            make: Box::new(move |options| {
                let answer = (self.make)(options);
                Box::pin(async move { answer.await.map(part) })
            }),
        }
    }
}

impl<T> Call<'_, T> {
    /// Of a call that is part of another one.
    pub(crate) fn with_options(self, options: Options) -> Self {
        Self { options, ..self }
    }
}

impl<'c, T> IntoFuture for Call<'c, T> {
    type Output = Result<T, Error>;
    type IntoFuture = BoxFuture<'c, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        (self.make)(self.options)
    }
}

/// Without metadata, which may be secret.
impl<T> fmt::Debug for Call<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options {
            timeout,
            retry,
            metadata: _,
            rejoin,
            idempotent,
        } = &self.options;
        f.debug_struct("Call")
            .field("timeout", timeout)
            .field("retry", retry)
            .field("rejoin", rejoin)
            .field("idempotent", idempotent)
            .finish_non_exhaustive()
    }
}
