//! A session: a conversation that the server keeps. A handle has its id, and what its turns have in common.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::client::MAX_MESSAGE_BYTES;
use crate::pages::Page;
use crate::v1::session_service_client::SessionServiceClient;
use crate::v1::{
    BusyPolicy, ChatRequest, ChatResponse, CreateSessionRequest, CreateSessionResponse, DeleteSessionRequest,
    DeleteSessionResponse, ForkSessionRequest, ForkSessionResponse, GetSessionRequest, GetSessionResponse,
    ListSessionsRequest, ListSessionsResponse, ListTurnsRequest, SessionRef, StreamChatRequest, TurnView,
    UpdateSessionRequest, UpdateSessionResponse,
};
use crate::{Call, Client, Connection, Pages, Turn, v1};

/// A conversation that the server keeps, by its id. Every turn goes on with what was said in the session before, whichever
/// client or program said it.
///
/// The first turn creates the session when it is not there, unless [`existing`](Self::existing) forbids it; later ones do
/// not, so that a conversation which was deleted is not begun anew in silence, also by this handle. Clones know of each
/// other's turns.
#[derive(Clone, Debug)]
pub struct Session {
    client: Client,
    reference: SessionRef,
    busy_policy: BusyPolicy,
    /// Whether a turn of this handle was accepted, or it has deleted the session.
    was_there: Arc<AtomicBool>,
}

/// What to change of a session. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionUpdate {
    /// The new title.
    pub title: Option<String>,
    /// The new labels, in place of all the old ones.
    pub labels: Option<HashMap<String, String>>,
    /// How long after its last change the session is deleted.
    pub idle_expiry: Option<Duration>,
}

impl Session {
    pub(crate) fn new(client: Client, id: String) -> Self {
        Self {
            client,
            reference: SessionRef {
                id,
                allow_missing: true,
                ..SessionRef::default()
            },
            busy_policy: BusyPolicy::Unspecified,
            was_there: Arc::default(),
        }
    }

    /// The session's id.
    pub fn id(&self) -> &str {
        &self.reference.id
    }

    /// Creates no session: a turn fails with `SESSION_NOT_FOUND` when it is not there.
    #[must_use]
    pub fn existing(mut self) -> Self {
        self.reference.allow_missing = false;
        self
    }

    /// The title of the session when it is created by its first turn.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.reference.title = title.into();
        self
    }

    /// The labels of the session when it is created by its first turn.
    #[must_use]
    pub fn with_labels(mut self, labels: HashMap<String, String>) -> Self {
        self.reference.labels = labels;
        self
    }

    /// How long after its last change the session is deleted, when it is created by its first turn. At least a minute.
    #[must_use]
    pub fn with_idle_expiry(mut self, idle_expiry: Duration) -> Self {
        self.reference.idle_expiry = duration_of(idle_expiry);
        self
    }

    /// What happens when another turn of the session waits or runs, whatever the requests say. Default: what they say, and
    /// else the turn is refused with `SESSION_BUSY`.
    #[must_use]
    pub fn with_busy_policy(mut self, busy_policy: BusyPolicy) -> Self {
        self.busy_policy = busy_policy;
        self
    }

    /// Starts the session's next turn, like [`Client::stream`].
    pub fn stream(&self, request: impl Into<StreamChatRequest>) -> Call<'static, Turn> {
        let (session, request) = (self.clone(), request.into());
        let request = StreamChatRequest {
            session: Some(self.reference()),
            busy_policy: self.busy_policy_or(request.busy_policy),
            ..request
        };
        Call::new(async move |options| {
            let turn = session.client.stream(request).with_options(options).await?;
            session.was_there.store(true, Ordering::Relaxed);
            Ok(turn)
        })
    }

    /// Runs the session's whole next turn, like [`Client::chat`].
    pub fn chat(&self, request: impl Into<ChatRequest>) -> Call<'static, ChatResponse> {
        let (session, request) = (self.clone(), request.into());
        let request = ChatRequest {
            session: Some(self.reference()),
            busy_policy: self.busy_policy_or(request.busy_policy),
            ..request
        };
        Call::new(async move |options| {
            let response = session.client.chat(request).with_options(options).await?;
            session.was_there.store(true, Ordering::Relaxed);
            Ok(response)
        })
    }

    /// What the session is doing, and what it has used and cost.
    pub fn get(&self) -> Call<'static, v1::Session> {
        let sessions = self.client.session_service();
        let request = GetSessionRequest {
            id: self.reference.id.clone(),
        };
        let call = self.client.unary(request, move |request| {
            let mut sessions = sessions.clone();
            async move { sessions.get_session(request).await }
        });
        call.map(|GetSessionResponse { session }| session.unwrap_or_default())
    }

    /// Changes title, labels or expiry.
    pub fn update(&self, update: SessionUpdate) -> Call<'static, v1::Session> {
        let SessionUpdate {
            title,
            labels,
            idle_expiry,
        } = update;
        let fields = [
            ("title", title.is_some()),
            ("labels", labels.is_some()),
            ("idle_expiry", idle_expiry.is_some()),
        ];
        let paths = fields
            .iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(field, _)| (*field).to_owned());
        let request = UpdateSessionRequest {
            id: self.reference.id.clone(),
            update_mask: Some(prost_types::FieldMask { paths: paths.collect() }),
            title: title.unwrap_or_default(),
            labels: labels.unwrap_or_default(),
            idle_expiry: idle_expiry.and_then(duration_of),
        };
        let sessions = self.client.session_service();
        let call = self.client.unary(request, move |request| {
            let mut sessions = sessions.clone();
            async move { sessions.update_session(request).await }
        });
        call.map(|UpdateSessionResponse { session }| session.unwrap_or_default())
    }

    /// Deletes the session and all its words. Fails with `SESSION_BUSY` while one of its turns waits or runs.
    pub fn delete(&self) -> Call<'static, DeleteSessionResponse> {
        self.delete_with(false)
    }

    /// Deletes the session and all its words, and interrupts its turn if there is one.
    pub fn delete_by_force(&self) -> Call<'static, DeleteSessionResponse> {
        self.delete_with(true)
    }

    fn delete_with(&self, force: bool) -> Call<'static, DeleteSessionResponse> {
        let session = self.clone();
        Call::new(async move |options| {
            let sessions = session.client.session_service();
            let request = DeleteSessionRequest {
                id: session.reference.id.clone(),
                force,
            };
            let call = session.client.unary_once(request, move |request| {
                let mut sessions = sessions.clone();
                async move { sessions.delete_session(request).await }
            });
            let response = call.with_options(options).await?;
            session.was_there.store(true, Ordering::Relaxed);
            Ok(response)
        })
    }

    /// Copies the conversation into a new session: all of it, unless the request says up to which turn. The request's `id` is
    /// this session's, whatever it says. [`Client::session`] makes a handle of the copy.
    pub fn fork(&self, request: ForkSessionRequest) -> Call<'static, v1::Session> {
        let sessions = self.client.session_service();
        let request = ForkSessionRequest {
            id: self.reference.id.clone(),
            ..request
        };
        let call = self.client.unary_once(request, move |request| {
            let mut sessions = sessions.clone();
            async move { sessions.fork_session(request).await }
        });
        call.map(|ForkSessionResponse { session }| session.unwrap_or_default())
    }

    /// The session's turns from the first one on, with what was said.
    pub fn turns(&self) -> Pages<v1::Turn> {
        self.client.turns(ListTurnsRequest {
            session_id: self.reference.id.clone(),
            view: TurnView::Full.into(),
            ..ListTurnsRequest::default()
        })
    }

    /// The handle's, or else the request's own.
    fn busy_policy_or(&self, of_request: i32) -> i32 {
        match self.busy_policy {
            BusyPolicy::Unspecified => of_request,
            own => own.into(),
        }
    }

    fn reference(&self) -> SessionRef {
        let mut reference = self.reference.clone();
        reference.allow_missing &= !self.was_there.load(Ordering::Relaxed);
        reference
    }
}

impl Client {
    /// A handle of the session with this id. Nothing is sent; the session need not be there yet.
    pub fn session(&self, id: impl Into<String>) -> Session {
        Session::new(self.clone(), id.into())
    }

    /// Creates an empty session: one whose id the server chooses, or whose system prompt or output schema is fixed. The first
    /// turn of [`session`](Self::session) creates one as well.
    pub fn create_session(&self, request: CreateSessionRequest) -> Call<'static, v1::Session> {
        let sessions = self.session_service();
        let call = self.unary_once(request, move |request| {
            let mut sessions = sessions.clone();
            async move { sessions.create_session(request).await }
        });
        call.map(|CreateSessionResponse { session }| session.unwrap_or_default())
    }

    /// The sessions that the caller sees, of all pages, the one that changed last first.
    pub fn sessions(&self, request: ListSessionsRequest) -> Pages<v1::Session> {
        let client = self.clone();
        let ask = move |page_token| {
            let sessions = client.session_service();
            let request = ListSessionsRequest {
                page_token,
                ..request.clone()
            };
            client.unary(request, move |request| {
                let mut sessions = sessions.clone();
                async move { sessions.list_sessions(request).await }
            })
        };
        Pages::new(
            ask,
            |ListSessionsResponse {
                 sessions,
                 next_page_token,
             }| Page {
                items: sessions,
                next_token: next_page_token,
            },
        )
    }

    fn session_service(&self) -> SessionServiceClient<Connection> {
        SessionServiceClient::new(self.connection()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }
}

/// A time beyond what the contract can hold is none, which means the server's.
fn duration_of(duration: Duration) -> Option<prost_types::Duration> {
    duration.try_into().ok()
}
