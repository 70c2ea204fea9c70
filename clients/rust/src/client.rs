//! The client: what a program calls.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderValue;
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};
use tower::{BoxError, Service};

use crate::attempts::{Attempts, Sent};
use crate::call::Options;
use crate::idempotent::chat_again;
use crate::retry::Throttle;
use crate::v1::claude_runner_client::ClaudeRunnerClient;
use crate::v1::pool_service_client::PoolServiceClient;
use crate::v1::{
    ChatRequest, ChatResponse, GetInfoRequest, GetInfoResponse, GetPoolRequest, GetPoolResponse, StreamChatRequest,
    StreamChatResponse,
};
use crate::{Call, ClientBuilder, Connection, Conversation, Error, Turn};

/// The largest message to read, in bytes: twice what the contract lets a server send.
pub(crate) const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// A client of one server. Cheap to clone, and clones share the connection, which is closed when the last of them, and
/// of the turns, is dropped.
#[derive(Clone)]
pub struct Client {
    connection: Connection,
    retry: bool,
    throttle: Arc<Throttle>,
}

impl Client {
    /// Of the server at `address`: `127.0.0.1:7433`, `http://…`, or `https://…` for TLS. The port is 7433 when the address
    /// has neither a port nor `://`. The token is that of the environment variable `CLAUDE_RUNNER_TOKEN` unless
    /// [`token`](ClientBuilder::token) gives one.
    pub fn builder(address: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(address.into())
    }

    /// Connects to the server that the environment names: `CLAUDE_RUNNER_ADDRESS`, `127.0.0.1:7433` when unset, with the
    /// token in `CLAUDE_RUNNER_TOKEN`.
    pub async fn connect_from_env() -> Result<Self, Error> {
        ClientBuilder::from_env().connect().await
    }

    /// Over a channel of your own. No token is sent unless [`with_token`](Self::with_token) gives one.
    pub fn from_channel(channel: Channel) -> Self {
        Self::from_service(channel)
    }

    /// Over a service of your own that carries gRPC calls: a channel within layers, mostly. No token is sent unless
    /// [`with_token`](Self::with_token) gives one.
    pub fn from_service<S, B>(service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::over(Connection::over(service))
    }

    pub(crate) fn over(connection: Connection) -> Self {
        Self {
            connection,
            retry: true,
            throttle: Arc::new(Throttle::new()),
        }
    }

    /// The same client with this token in its calls. Fails when the token cannot be in a header.
    pub fn with_token(self, token: &str) -> Result<Self, Error> {
        let connection = self.connection.with_authorization(Some(bearer(token)?));
        Ok(Self { connection, ..self })
    }

    /// The same client with retry on or off. Default: on. A call that fails with UNAVAILABLE before anything of an answer
    /// was seen is then sent again, at most four times in all: when the server says so, and else after 0.2 seconds,
    /// doubling up to 10 seconds, with jitter. Never one that the server says not to repeat, as it does for every turn
    /// that Claude Code has got.
    #[must_use]
    pub fn with_retry(self, retry: bool) -> Self {
        Self { retry, ..self }
    }

    /// Starts a turn. Resolves when Claude Code has accepted the prompt; dropping the turn cancels it.
    pub fn stream(&self, request: impl Into<StreamChatRequest>) -> Call<'static, Turn> {
        let (client, request) = (self.clone(), request.into());
        Call::new(async move |options| match options.rejoin {
            Some(patience) => Turn::rejoined(client, request, options, patience).await,
            None => {
                let attempts = client.attempts(options);
                Ok(Turn::new(client.send_stream(&attempts, request).await?))
            }
        })
    }

    pub(crate) async fn send_stream(
        &self,
        attempts: &Attempts,
        request: StreamChatRequest,
    ) -> Result<Sent<Streaming<StreamChatResponse>>, Error> {
        let runner = self.runner();
        let sent = attempts.send(request, |request| {
            let mut runner = runner.clone();
            async move { runner.stream_chat(request).await }
        });
        sent.await
    }

    /// Runs a whole turn. Resolves when it is over; dropping the call before cancels the turn.
    pub fn chat(&self, request: impl Into<ChatRequest>) -> Call<'static, ChatResponse> {
        let (client, request) = (self.clone(), request.into());
        Call::new(async move |options| {
            if options.idempotent {
                return chat_again(client, request, options).await;
            }
            let attempts = client.attempts(options);
            Ok(client.send_chat(&attempts, request).await?.ended_well())
        })
    }

    pub(crate) async fn send_chat(
        &self,
        attempts: &Attempts,
        request: ChatRequest,
    ) -> Result<Sent<ChatResponse>, Error> {
        let runner = self.runner();
        let sent = attempts.send(request, |request| {
            let mut runner = runner.clone();
            async move { runner.chat(request).await }
        });
        sent.await
    }

    /// What the server is, and which profiles, models and limits the caller may use. Costs nothing.
    pub fn info(&self) -> Call<'static, GetInfoResponse> {
        let runner = self.runner();
        self.unary(GetInfoRequest {}, move |request| {
            let mut runner = runner.clone();
            async move { runner.get_info(request).await }
        })
    }

    /// What the pool of workers is doing now. To watch it, use [`PoolServiceClient`] over
    /// [`connection`](Self::connection).
    pub fn pool(&self) -> Call<'static, GetPoolResponse> {
        let pool = PoolServiceClient::new(self.connection()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        self.unary(GetPoolRequest::default(), move |request| {
            let mut pool = pool.clone();
            async move { pool.get_pool(request).await }
        })
    }

    /// A conversation, kept here and sent with each of its turns.
    pub fn conversation(&self) -> Conversation {
        Conversation::new(self.clone())
    }

    /// The connection, for other services of the same server.
    pub fn connection(&self) -> Connection {
        self.connection.clone()
    }

    fn runner(&self) -> ClaudeRunnerClient<Connection> {
        ClaudeRunnerClient::new(self.connection()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn unary<M, T, F>(
        &self,
        message: M,
        send: impl FnMut(Request<M>) -> F + Send + 'static,
    ) -> Call<'static, T>
    where
        M: Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<T>, Status>> + Send,
        T: Send,
    {
        let client = self.clone();
        Call::new(async move |options| Ok(client.attempts(options).send(message, send).await?.ended_well()))
    }

    /// For what makes, copies or deletes something: it is sent once unless its caller says otherwise. With its answer lost
    /// nobody knows whether it was done, and done twice it is something else.
    pub(crate) fn unary_once<M, T, F>(
        &self,
        message: M,
        send: impl FnMut(Request<M>) -> F + Send + 'static,
    ) -> Call<'static, T>
    where
        M: Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<T>, Status>> + Send,
        T: Send + 'static,
    {
        let call = self.unary(message, send);
        Call::new(async move |options: Options| {
            let retry = options.retry.or(Some(false));
            call.with_options(Options { retry, ..options }).await
        })
    }

    pub(crate) fn attempts(&self, options: Options) -> Attempts {
        let retries = options.retry.unwrap_or(self.retry);
        Attempts::new(options, retries.then(|| Arc::clone(&self.throttle)))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("connection", &self.connection)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// The header for a token. It says of itself that it is secret, which keeps it out of what prints headers.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| Error::of_setting("the token has characters that cannot be in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
