//! `bench`: how long turns take, by this process's own clock.

use std::time::{Duration, Instant};

use claude_runner_client::v1::StreamChatRequest;
use claude_runner_client::{Client, Error, Event};

use crate::clients::Clients;
use crate::protocol::{BenchAnswer, BenchCommand, CallError};
use crate::{Bug, messages};

/// What is measured of a turn.
struct Measured {
    first_text: Option<Duration>,
    total: Duration,
    event_count: u32,
}

pub(crate) async fn bench(command: BenchCommand, clients: &mut Clients) -> Result<BenchAnswer, Bug> {
    let client = clients.of(command.target)?;
    let request: StreamChatRequest = messages::from_json(command.request)?;
    let mut answer = BenchAnswer::default();
    for turn in 0..command.warm_up_count + command.turn_count {
        let measured = match measure(&client, request.clone()).await {
            Ok(measured) => measured,
            Err(error) => {
                answer.error = Some(CallError::of(&error)?);
                break;
            }
        };
        if turn >= command.warm_up_count {
            answer
                .first_text_ms
                .push(ms(measured.first_text.ok_or("a turn of the bench had no text")?));
            answer.total_ms.push(ms(measured.total));
            answer.event_counts.push(measured.event_count);
        }
    }
    Ok(answer)
}

async fn measure(client: &Client, request: StreamChatRequest) -> Result<Measured, Error> {
    let began = Instant::now();
    let mut turn = client.stream(request).await?;
    let mut first_text = None;
    let mut event_count = 0;
    while let Some(response) = turn.next().await {
        event_count += 1;
        if first_text.is_none() && matches!(response?.event, Some(Event::TextDelta(_))) {
            first_text = Some(began.elapsed());
        }
    }
    Ok(Measured {
        first_text,
        total: began.elapsed(),
        event_count,
    })
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
