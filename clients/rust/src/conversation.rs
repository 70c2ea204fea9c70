//! A conversation: keeps what was said and sends it with each turn, so that the server keeps nothing.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::v1::{ChatResponse, HistoryMessage, Role, StreamChatRequest, StreamChatResponse};
use crate::{Call, Client, Error, Turn};

/// What the server takes; a longer conversation loses its beginning.
const MAX_MESSAGE_COUNT: usize = 400;
const MAX_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// A conversation: every turn is sent with what was said before.
///
/// A turn is added when it has ended well, prompt and answer together. One that failed or was cancelled adds nothing, and
/// neither does one whose answer has no text, since a history without it would not alternate: the next prompt then goes
/// out as if that turn had not been. At most 400 messages and 4 MiB of text are kept; the oldest pairs go first.
#[derive(Debug)]
pub struct Conversation {
    client: Client,
    template: StreamChatRequest,
    history: Arc<Mutex<History>>,
}

impl Conversation {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            template: StreamChatRequest::default(),
            history: Arc::default(),
        }
    }

    /// What all further turns have beside prompt and history: profile, system prompt, model, limits … The template's own
    /// `prompt`, `content` and `history` are not used.
    #[must_use]
    pub fn with_template(self, template: StreamChatRequest) -> Self {
        let template = StreamChatRequest {
            prompt: String::new(),
            content: Vec::new(),
            history: Vec::new(),
            ..template
        };
        Self { template, ..self }
    }

    /// Goes on with what was said elsewhere or before, in place of what is kept: user and assistant in turn, oldest first.
    #[must_use]
    pub fn with_messages(self, messages: Vec<HistoryMessage>) -> Self {
        Self {
            history: Arc::new(Mutex::new(History::of(messages))),
            ..self
        }
    }

    /// What was said so far.
    pub fn messages(&self) -> Vec<HistoryMessage> {
        lock(&self.history).messages.clone()
    }

    /// Starts the next turn. There is one at a time: the conversation can be used again when the turn is not any more.
    pub fn stream(&mut self, prompt: impl Into<String>) -> Call<'_, ConversationTurn<'_>> {
        let request = self.request(prompt.into());
        let keep = self.keep(&request);
        let client = self.client.clone();
        Call::new(async move |options| {
            let turn = client.stream(request).with_options(options).await?.kept_by(keep);
            Ok(ConversationTurn {
                turn,
                conversation: PhantomData,
            })
        })
    }

    /// Runs the whole next turn.
    pub fn chat(&mut self, prompt: impl Into<String>) -> Call<'_, ChatResponse> {
        let request = self.request(prompt.into());
        let keep = self.keep(&request);
        let client = self.client.clone();
        Call::new(async move |options| {
            let response = client.chat(request).with_options(options).await?;
            let structured = response
                .result
                .as_ref()
                .map_or("", |result| &result.structured_output_json);
            keep.answered(&[&response.text, structured]);
            Ok(response)
        })
    }

    fn request(&self, prompt: String) -> StreamChatRequest {
        StreamChatRequest {
            prompt,
            history: self.messages(),
            ..self.template.clone()
        }
    }

    fn keep(&self, request: &StreamChatRequest) -> Keep {
        Keep {
            history: Arc::clone(&self.history),
            prompt: request.prompt.clone(),
        }
    }
}

/// A turn of a [`Conversation`], used as the [`Turn`] that it is.
#[derive(Debug)]
#[must_use = "dropping a turn cancels it"]
pub struct ConversationTurn<'c> {
    turn: Turn,
    /// Nobody starts a turn on a history that this one is about to change.
    conversation: PhantomData<&'c mut Conversation>,
}

impl Deref for ConversationTurn<'_> {
    type Target = Turn;

    fn deref(&self) -> &Turn {
        &self.turn
    }
}

impl DerefMut for ConversationTurn<'_> {
    fn deref_mut(&mut self) -> &mut Turn {
        &mut self.turn
    }
}

impl Stream for ConversationTurn<'_> {
    type Item = Result<StreamChatResponse, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.turn).poll_next(context)
    }
}

/// Where a turn's prompt and answer go when it has ended well.
#[derive(Debug)]
pub(crate) struct Keep {
    history: Arc<Mutex<History>>,
    prompt: String,
}

impl Keep {
    /// With the first of these that has any text.
    pub(crate) fn answered(self, answers: &[&str]) {
        if let Some(answer) = answers.iter().find(|answer| !answer.trim().is_empty()) {
            lock(&self.history).add(self.prompt, (*answer).to_owned());
        }
    }
}

/// Never held over an await, so it is always free.
fn lock(history: &Mutex<History>) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
struct History {
    messages: Vec<HistoryMessage>,
}

impl History {
    fn of(messages: Vec<HistoryMessage>) -> Self {
        let mut history = Self { messages };
        history.shorten();
        history
    }

    fn add(&mut self, prompt: String, answer: String) {
        for (role, text) in [(Role::User, prompt), (Role::Assistant, answer)] {
            self.messages.push(HistoryMessage {
                role: role.into(),
                text,
            });
        }
        self.shorten();
    }

    fn shorten(&mut self) {
        let mut bytes: usize = self.messages.iter().map(|message| message.text.len()).sum();
        let mut dropped = 0;
        while self.messages.len() - dropped > MAX_MESSAGE_COUNT || bytes > MAX_TEXT_BYTES {
            let pair = self.messages[dropped..].iter().take(2);
            bytes -= pair.clone().map(|message| message.text.len()).sum::<usize>();
            dropped += pair.len();
        }
        self.messages.drain(..dropped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(history: &History) -> Vec<&str> {
        history.messages.iter().map(|message| message.text.as_str()).collect()
    }

    #[test]
    fn the_oldest_pair_goes_when_there_are_more_than_400_messages() {
        let mut history = History::default();
        for turn in 0..200 {
            history.add(format!("prompt {turn}"), format!("answer {turn}"));
        }
        assert_eq!((history.messages.len(), texts(&history)[0]), (400, "prompt 0"));

        history.add("prompt 200".to_owned(), "answer 200".to_owned());
        assert_eq!((history.messages.len(), texts(&history)[0]), (400, "prompt 1"));
        assert_eq!(history.messages[0].role(), Role::User);
    }

    #[test]
    fn as_many_of_the_oldest_pairs_go_as_it_takes_to_have_4_mib_at_most() {
        let mut history = History::default();
        history.add("a".to_owned(), "b".to_owned());
        history.add("c".to_owned(), "d".to_owned());
        history.add("é".repeat(1024 * 1024), "é".repeat(1024 * 1024 - 2));
        assert_eq!(history.messages.len(), 6, "4 MiB to the byte fit");

        history.add("two".to_owned(), String::new());
        assert_eq!(history.messages.len(), 4, "one pair is not enough");
        assert_eq!(texts(&history)[2], "two");
    }

    #[test]
    fn a_pair_that_is_too_large_by_itself_does_not_stay() {
        let mut history = History::default();
        history.add("prompt".to_owned(), "x".repeat(MAX_TEXT_BYTES));
        assert!(history.messages.is_empty());
    }
}
