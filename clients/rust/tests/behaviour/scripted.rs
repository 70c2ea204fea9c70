//! A server in memory that answers each call with the next step of a script. It speaks gRPC below tonic, so that a step
//! says exactly which headers, frames and trailers there are, and time stands still unless a test waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use claude_runner_client::prost::{Message, bytes::BufMut};
use claude_runner_client::prost_types::Any;
use claude_runner_client::tonic::{Code, Status, body::Body, metadata::MetadataMap};
use claude_runner_client::v1::attach_turn_response::Message as Attached;
use claude_runner_client::v1::{AttachTurnResponse, StreamChatResponse, TextDelta, TurnResult};
use claude_runner_client::{Client, Event, bytes::Bytes, v1};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tonic_types::pb;

/// What the server does with one call.
pub(crate) enum Step {
    /// A status without anything before it, in one frame.
    Refuse(Status),
    /// The same after a while.
    Late(Duration, Status),
    /// Messages, then a status.
    Answer(Vec<Bytes>, Status),
    /// Messages, then nothing any more.
    Stall(Vec<Bytes>),
    /// Nothing at all.
    Silence,
}

/// A call as the server saw it.
pub(crate) struct SeenCall {
    pub(crate) headers: HeaderMap,
    pub(crate) path: String,
    pub(crate) at: Instant,
    message: Bytes,
}

impl SeenCall {
    pub(crate) fn request<M: Message + Default>(&self) -> M {
        M::decode(&self.message[5..]).unwrap()
    }
}

#[derive(Clone, Default)]
pub(crate) struct Server(Arc<Inner>);

#[derive(Default)]
struct Inner {
    script: Mutex<VecDeque<Step>>,
    calls: Mutex<Vec<SeenCall>>,
    cancelled: Notify,
}

impl Server {
    pub(crate) fn with(script: impl IntoIterator<Item = Step>) -> Self {
        let server = Self::default();
        server.then(script);
        server
    }

    pub(crate) fn then(&self, script: impl IntoIterator<Item = Step>) {
        self.0.script.lock().unwrap().extend(script);
    }

    pub(crate) fn client(&self) -> Client {
        let server = self.clone();
        Client::from_service(tower::service_fn(move |request| server.clone().answer(request)))
    }

    pub(crate) fn call_count(&self) -> usize {
        self.0.calls.lock().unwrap().len()
    }

    /// What `look` finds in each of the calls so far.
    pub(crate) fn calls<T>(&self, look: impl FnMut(&SeenCall) -> T) -> Vec<T> {
        self.0.calls.lock().unwrap().iter().map(look).collect()
    }

    /// Resolves when a call whose answer was not over has been cancelled; panics when none is.
    pub(crate) async fn cancelled(&self) {
        timeout(Duration::from_secs(10), self.0.cancelled.notified())
            .await
            .expect("a call was cancelled");
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let at = Instant::now();
        let (parts, body) = request.into_parts();
        let message = body.collect().await?.to_bytes();
        let path = parts.uri.path().to_owned();
        self.0.calls.lock().unwrap().push(SeenCall {
            headers: parts.headers,
            path,
            at,
            message,
        });
        let step = self
            .0
            .script
            .lock()
            .unwrap()
            .pop_front()
            .expect("the script has a step for every call");
        let (messages, end) = match step {
            Step::Refuse(status) => return Ok(status.into_http()),
            Step::Late(wait, status) => {
                tokio::time::sleep(wait).await;
                return Ok(status.into_http());
            }
            Step::Answer(messages, status) => (messages, Some(status)),
            Step::Stall(messages) => (messages, None),
            Step::Silence => {
                let _cancelled = NotifyOnDrop(self.clone());
                std::future::pending().await
            }
        };
        let data = stream::iter(messages).map(|message| Ok::<_, Status>(Frame::data(framed(&message))));
        let body = match end {
            Some(status) => Body::new(StreamBody::new(
                data.chain(stream::iter([Ok(Frame::trailers(trailers(status)))])),
            )),
            None => {
                let cancelled = NotifyOnDrop(self);
                let silence = stream::poll_fn(move |_| {
                    let _ = &cancelled;
                    std::task::Poll::Pending
                });
                Body::new(StreamBody::new(data.chain(silence)))
            }
        };
        Ok(Response::builder()
            .header("content-type", "application/grpc")
            .body(body)
            .unwrap())
    }
}

/// After which times the calls came, in milliseconds.
pub(crate) fn waits_ms(server: &Server) -> Vec<u128> {
    let times = server.calls(|call| call.at);
    times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect()
}

struct NotifyOnDrop(Server);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.0.cancelled.notify_one();
    }
}

pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(message.len().try_into().unwrap());
    frame.put_slice(message);
    frame.into()
}

fn trailers(status: Status) -> HeaderMap {
    status.into_http::<Body>().into_parts().0.headers
}

pub(crate) fn ok() -> Status {
    Status::new(Code::Ok, "")
}

pub(crate) fn unavailable(pushback: Option<&'static str>) -> Status {
    let mut metadata = MetadataMap::new();
    if let Some(value) = pushback {
        metadata.insert("grpc-retry-pushback-ms", value.parse().unwrap());
    }
    Status::with_metadata(Code::Unavailable, "queue is full", metadata)
}

/// A status with a reason of the server's.
pub(crate) fn failing(code: Code, reason: &str) -> Status {
    let info = pb::ErrorInfo {
        reason: reason.to_owned(),
        domain: "claude-runner".to_owned(),
        ..pb::ErrorInfo::default()
    };
    let detail = Any {
        type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(),
        value: info.encode_to_vec(),
    };
    let status = pb::Status {
        code: code.into(),
        message: reason.to_lowercase(),
        details: vec![detail],
    };
    Status::with_details(code, reason.to_lowercase(), status.encode_to_vec().into())
}

/// What a call ends with when its connection breaks.
pub(crate) fn broken() -> Status {
    Status::unavailable("the connection broke")
}

/// A call that ended with this one message.
pub(crate) fn answer(message: &impl Message) -> Step {
    Step::Answer(vec![message.encode_to_vec().into()], ok())
}

/// An attached stream: the turn's state and then these.
pub(crate) fn attached(messages: impl IntoIterator<Item = Attached>) -> Vec<Bytes> {
    let state = Attached::State(v1::Turn {
        id: "turn-1".to_owned(),
        state: v1::TurnState::Running.into(),
        ..v1::Turn::default()
    });
    let responses = [state]
        .into_iter()
        .chain(messages)
        .map(|message| AttachTurnResponse { message: Some(message) });
    responses.map(|response| response.encode_to_vec().into()).collect()
}

/// An event of an attached stream.
pub(crate) fn numbered(sequence: i32, event: Event) -> Attached {
    Attached::Event(StreamChatResponse {
        sequence,
        turn_id: "turn-1".to_owned(),
        event: Some(event),
        ..StreamChatResponse::default()
    })
}

/// Numbers events as a server does.
pub(crate) fn stream_of(events: impl IntoIterator<Item = Event>) -> Vec<Bytes> {
    let numbered = (1..).zip(events).map(|(sequence, event)| StreamChatResponse {
        sequence,
        turn_id: "turn-1".to_owned(),
        event: Some(event),
        ..StreamChatResponse::default()
    });
    numbered.map(|response| response.encode_to_vec().into()).collect()
}

pub(crate) fn started() -> Event {
    Event::Started(v1::Started {
        model: "claude-test".to_owned(),
        ..v1::Started::default()
    })
}

pub(crate) fn text(piece: &str, block_index: i32) -> Event {
    Event::TextDelta(TextDelta {
        text: piece.to_owned(),
        block_index,
        message_index: 0,
    })
}

pub(crate) fn result(outcome: v1::Outcome) -> Event {
    Event::Result(TurnResult {
        outcome: outcome.into(),
        ..TurnResult::default()
    })
}

/// A turn that says this and ends well.
pub(crate) fn said(pieces: &[&str]) -> Step {
    let texts = pieces.iter().map(|piece| text(piece, 0));
    let events = [started()]
        .into_iter()
        .chain(texts)
        .chain([result(v1::Outcome::Completed)]);
    Step::Answer(stream_of(events), ok())
}
