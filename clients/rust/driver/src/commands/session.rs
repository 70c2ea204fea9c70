//! `session`: turns of a conversation that the server keeps.

use claude_runner_client::v1::BusyPolicy;
use claude_runner_client::{Error, Session};

use crate::clients::Clients;
use crate::protocol::{CallError, SessionAnswer, SessionCommand, SessionTurn};
use crate::{Bug, messages};

pub(crate) async fn session(command: SessionCommand, clients: &mut Clients) -> Result<SessionAnswer, Bug> {
    let mut session = clients.of(command.target)?.session(command.session_id);
    if let Some(title) = command.title {
        session = session.with_title(title);
    }
    if let Some(labels) = command.labels {
        session = session.with_labels(labels);
    }
    if let Some(name) = command.busy_policy {
        let policy = BusyPolicy::from_str_name(&name).ok_or("the contract has no such busy policy")?;
        session = session.with_busy_policy(policy);
    }
    if command.allow_missing == Some(false) {
        session = session.existing();
    }
    let mut answer = SessionAnswer::default();
    for prompt in command.prompts {
        if let Err(error) = converse(&session, prompt, &mut answer).await? {
            answer.error = Some(CallError::of(&error)?);
            break;
        }
    }
    Ok(answer)
}

async fn converse(session: &Session, prompt: String, answer: &mut SessionAnswer) -> Result<Result<(), Error>, Bug> {
    let mut turn = match session.stream(prompt).await {
        Ok(turn) => turn,
        Err(error) => return Ok(Err(error)),
    };
    let text = match turn.collect_text().await {
        Ok(text) => text,
        Err(error) => return Ok(Err(error)),
    };
    answer.turns.push(SessionTurn {
        text,
        turn_id: turn.turn_id().to_owned(),
        started: messages::to_json(turn.started().ok_or("a turn ended well that never started")?)?,
    });
    Ok(Ok(()))
}
