//! Turns apart from their calls: read again, looked up, listed and stopped.

use crate::client::MAX_MESSAGE_BYTES;
use crate::pages::Page;
use crate::v1::turn_service_client::TurnServiceClient;
use crate::v1::{
    AttachTurnRequest, GetTurnRequest, GetTurnResponse, InterruptTurnRequest, InterruptTurnResponse, ListTurnsRequest,
    ListTurnsResponse, attach_turn_request, get_turn_request,
};
use crate::{Call, Client, Connection, Pages, Turn, v1};

/// Which turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnName {
    /// The one with this id, which [`Turn::turn_id`] tells.
    Id(String),
    /// The one that the call with this `request_id` has begun.
    RequestId(String),
}

impl TurnName {
    /// By its id.
    pub fn id(id: impl Into<String>) -> Self {
        Self::Id(id.into())
    }

    /// By the `request_id` of the call that has begun it.
    pub fn request_id(request_id: impl Into<String>) -> Self {
        Self::RequestId(request_id.into())
    }
}

impl From<TurnName> for AttachTurnRequest {
    fn from(name: TurnName) -> Self {
        let turn = match name {
            TurnName::Id(id) => attach_turn_request::Turn::TurnId(id),
            TurnName::RequestId(request_id) => attach_turn_request::Turn::RequestId(request_id),
        };
        Self {
            turn: Some(turn),
            ..Self::default()
        }
    }
}

impl From<TurnName> for GetTurnRequest {
    fn from(name: TurnName) -> Self {
        let turn = match name {
            TurnName::Id(id) => get_turn_request::Turn::TurnId(id),
            TurnName::RequestId(request_id) => get_turn_request::Turn::RequestId(request_id),
        };
        Self {
            turn: Some(turn),
            ..Self::default()
        }
    }
}

impl Client {
    /// Reads a turn that another call has begun, or reads one again: from its beginning, or after the event that
    /// `after_sequence` names. Resolves at once, also while the turn waits for a worker. It is rejoined when its connection
    /// breaks.
    ///
    /// Dropping or cancelling what this gives ends the reading; the turn goes on.
    pub fn attach(&self, turn: impl Into<AttachTurnRequest>) -> Call<'static, Turn> {
        let (client, request) = (self.clone(), turn.into());
        Call::new(async move |options| Turn::attached(client, request, options).await)
    }

    /// How far a turn has come, what came of it and what it cost; with `TURN_VIEW_FULL` also what was said.
    pub fn get_turn(&self, turn: impl Into<GetTurnRequest>) -> Call<'static, GetTurnResponse> {
        let turns = self.turn_service();
        self.unary(turn.into(), move |request| {
            let mut turns = turns.clone();
            async move { turns.get_turn(request).await }
        })
    }

    /// Stops a turn, whoever has begun it. Resolves when it has ended; `interrupted` is false when it had ended before.
    pub fn interrupt_turn(&self, turn_id: impl Into<String>) -> Call<'static, InterruptTurnResponse> {
        let turns = self.turn_service();
        let turn_id = turn_id.into();
        self.unary(InterruptTurnRequest { turn_id }, move |request| {
            let mut turns = turns.clone();
            async move { turns.interrupt_turn(request).await }
        })
    }

    /// The turns that the caller sees, of all pages: those of a session from its first turn on, all others the newest first.
    pub fn turns(&self, request: ListTurnsRequest) -> Pages<v1::Turn> {
        let client = self.clone();
        let ask = move |page_token| {
            let turns = client.turn_service();
            let request = ListTurnsRequest {
                page_token,
                ..request.clone()
            };
            client.unary(request, move |request| {
                let mut turns = turns.clone();
                async move { turns.list_turns(request).await }
            })
        };
        Pages::new(ask, |ListTurnsResponse { turns, next_page_token }| Page {
            items: turns,
            next_token: next_page_token,
        })
    }

    pub(crate) fn turn_service(&self) -> TurnServiceClient<Connection> {
        TurnServiceClient::new(self.connection()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }
}
