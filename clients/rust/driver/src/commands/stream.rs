//! `stream`: a turn with all that can be seen of it.

use std::time::Duration;

use claude_runner_client::tonic::metadata::{AsciiMetadataKey, MetadataMap};
use claude_runner_client::v1::{StreamChatRequest, StreamChatResponse};
use claude_runner_client::{Event, Turn};

use crate::clients::Clients;
use crate::protocol::{CallError, StreamAnswer, StreamCommand, TextSeen};
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
    let mut metadata = MetadataMap::new();
    for (key, value) in command.headers {
        metadata.insert(key.parse::<AsciiMetadataKey>()?, value.parse()?);
    }
    let mut answer = StreamAnswer {
        gap_free: true,
        ..StreamAnswer::default()
    };
    match call.metadata(metadata).await {
        Ok(mut turn) => {
            watch(
                &mut turn,
                &mut answer,
                command.cancel_after_text_deltas,
                command.leave_after_text_deltas,
            )
            .await?;
            answer.attempt_count = turn.attempt_count();
            answer.unknown_count = turn.unknown_event_count();
            answer.event_count += answer.unknown_count;
            answer.turn_id = turn.turn_id().to_owned();
            answer.text = TextSeen::of(turn.text_so_far());
        }
        Err(error) => {
            answer.attempt_count = error.attempt_count();
            answer.error = Some(CallError::of(&error)?);
            answer.text = TextSeen::of(String::new());
        }
    }
    Ok(answer)
}

/// Until the turn is over, is cancelled or has been seen enough of.
async fn watch(
    turn: &mut Turn,
    answer: &mut StreamAnswer,
    cancel_after: Option<u32>,
    leave_after: Option<u32>,
) -> Result<(), Bug> {
    let mut text_delta_count = 0;
    while let Some(response) = turn.next().await {
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                answer.error = Some(CallError::of(&error)?);
                continue;
            }
        };
        answer.event_count += 1;
        let place = answer.event_count + turn.unknown_event_count();
        answer.gap_free &= i64::from(response.sequence) == i64::from(place);
        note_kind(answer, &response)?;
        match &response.event {
            Some(Event::Started(started)) => answer.started = Some(messages::to_json(started)?),
            Some(Event::Result(result)) => answer.result = Some(messages::to_json(result)?),
            Some(Event::TextDelta(_)) => text_delta_count += 1,
            _ => {}
        }
        if cancel_after.is_some_and(|count| text_delta_count >= count) {
            turn.cancel();
            answer.error = turn.result().await.err().as_ref().map(CallError::of).transpose()?;
        } else if leave_after.is_some_and(|count| text_delta_count >= count) {
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
