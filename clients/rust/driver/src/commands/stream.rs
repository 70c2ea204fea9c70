//! `stream` and `attach`: a turn with all that can be seen of it.

use std::time::Duration;

use claude_runner_client::tonic::metadata::{AsciiMetadataKey, MetadataMap};
use claude_runner_client::v1::{AttachTurnRequest, StreamChatRequest, StreamChatResponse};
use claude_runner_client::{Error, Event, Turn, TurnName};

use crate::clients::Clients;
use crate::protocol::{AttachCommand, CallError, StreamAnswer, StreamCommand, TextSeen};
use crate::{Bug, messages};

pub(crate) async fn stream(command: StreamCommand, clients: &mut Clients) -> Result<StreamAnswer, Bug> {
    let client = clients.of(command.target)?;
    let mut call = client.stream(messages::from_json::<StreamChatRequest>(command.request)?);
    if let Some(timeout_ms) = command.timeout_ms {
        call = call.timeout(Duration::from_millis(timeout_ms));
    }
    if let Some(retry) = command.retry {
        call = call.retry(retry);
    }
    if command.rejoin {
        call = call.rejoin();
    }
    let mut metadata = MetadataMap::new();
    for (key, value) in command.headers {
        metadata.insert(key.parse::<AsciiMetadataKey>()?, value.parse()?);
    }
    let mut answer = StreamAnswer {
        gap_free: true,
        ..StreamAnswer::default()
    };
    match call.metadata(metadata).await {
        Ok(turn) => {
            let leaving = Leaving {
                cancel_after: command.cancel_after_text_deltas,
                leave_after: command.leave_after_text_deltas,
            };
            follow(turn, &mut answer, 0, leaving).await?;
        }
        Err(error) => answer.fail(&error)?,
    }
    Ok(answer)
}

pub(crate) async fn attach(command: AttachCommand, clients: &mut Clients) -> Result<StreamAnswer, Bug> {
    let name = match (command.turn_id, command.request_id) {
        (Some(turn_id), None) => TurnName::id(turn_id),
        (None, Some(request_id)) => TurnName::request_id(request_id),
        _ => return Err("attach takes either id".into()),
    };
    let request = AttachTurnRequest {
        after_sequence: command.after_sequence,
        ..name.into()
    };
    let mut answer = StreamAnswer {
        gap_free: true,
        ..StreamAnswer::default()
    };
    match clients.of(command.target)?.attach(request).await {
        Ok(turn) => follow(turn, &mut answer, command.after_sequence, Leaving::default()).await?,
        Err(error) => answer.fail(&error)?,
    }
    Ok(answer)
}

/// After how many text deltas the turn is left before its end.
#[derive(Clone, Copy, Default)]
struct Leaving {
    cancel_after: Option<u32>,
    leave_after: Option<u32>,
}

async fn follow(mut turn: Turn, answer: &mut StreamAnswer, after: i32, leaving: Leaving) -> Result<(), Bug> {
    watch(&mut turn, answer, after, leaving).await?;
    answer.attempt_count = turn.attempt_count();
    answer.unknown_count = turn.unknown_event_count();
    answer.event_count += answer.unknown_count;
    answer.turn_id = turn.turn_id().to_owned();
    answer.text = TextSeen::of(turn.text_so_far());
    Ok(())
}

/// Until the turn is over, is cancelled or has been seen enough of.
async fn watch(turn: &mut Turn, answer: &mut StreamAnswer, after: i32, leaving: Leaving) -> Result<(), Bug> {
    let mut text_delta_count = 0;
    let mut beat_count = 0;
    while let Some(response) = turn.next().await {
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                answer.error = Some(CallError::of(&error)?);
                continue;
            }
        };
        answer.event_count += 1;
        beat_count += u32::from(matches!(response.event, Some(Event::Heartbeat(_))));
        let place = i64::from(after) + i64::from(answer.event_count + turn.unknown_event_count() - beat_count);
        answer.gap_free &= i64::from(response.sequence) == place;
        note_kind(answer, &response)?;
        match &response.event {
            Some(Event::Started(started)) => answer.started = Some(messages::to_json(started)?),
            Some(Event::Gap(gap)) => {
                answer.gap_free = false;
                answer.gaps.push(messages::to_json(gap)?);
            }
            Some(Event::Result(result)) => answer.result = Some(messages::to_json(result)?),
            Some(Event::TextDelta(_)) => text_delta_count += 1,
            _ => {}
        }
        if leaving.cancel_after.is_some_and(|count| text_delta_count >= count) {
            turn.cancel();
            answer.error = turn.result().await.err().as_ref().map(CallError::of).transpose()?;
        } else if leaving.leave_after.is_some_and(|count| text_delta_count >= count) {
            break;
        }
    }
    Ok(())
}

fn note_kind(answer: &mut StreamAnswer, response: &StreamChatResponse) -> Result<(), Bug> {
    let kind = messages::kind_of(response)?;
    let count = answer.kinds.get(&kind).and_then(serde_json::Value::as_u64).unwrap_or(0);
    answer.kinds.insert(kind.clone(), (count + 1).into());
    if answer.first_kind.is_empty() {
        answer.first_kind.clone_from(&kind);
    }
    answer.last_kind = kind;
    Ok(())
}

impl StreamAnswer {
    /// The call had no answer.
    fn fail(&mut self, error: &Error) -> Result<(), Bug> {
        self.attempt_count = error.attempt_count();
        self.error = Some(CallError::of(error)?);
        self.text = TextSeen::of(String::new());
        Ok(())
    }
}
