//! Carries out one command.

mod bench;
mod kept;
mod services;
mod session;
mod stream;
mod turns;

use claude_runner_client::prost::Name;
use claude_runner_client::{Error, v1};
use serde::Serialize;
use serde_json::{Value, json};

use crate::clients::Clients;
use crate::protocol::{CallError, Command};
use crate::{Bug, messages};

pub(crate) async fn carry_out(line: Value, clients: &mut Clients) -> Result<Value, Bug> {
    match serde_json::from_value(line)? {
        Command::Stream(command) => told(stream::stream(command, clients).await?),
        Command::Text { target, request } => told(turns::text(clients.of(target)?, request).await?),
        Command::Chat(command) => {
            let request = messages::from_json::<v1::ChatRequest>(command.request)?;
            let mut call = clients.of(command.target)?.chat(request);
            if command.idempotent {
                call = call.idempotent();
            }
            message(call.await)
        }
        Command::Conversation { target, prompts } => told(turns::conversation(clients.of(target)?, prompts).await?),
        Command::Session(command) => told(session::session(command, clients).await?),
        Command::Attach(command) => told(stream::attach(command, clients).await?),
        Command::Kept {
            target,
            method,
            request,
        } => match kept::kept(clients.of(target)?, method, request).await? {
            Ok(response) => Ok(json!({ "response": response })),
            Err(error) => failed(&error),
        },
        Command::Info { target } => message(clients.of(target)?.info().await),
        Command::Pool { target } => message(clients.of(target)?.pool().await),
        Command::Health { target, service } => field("status", services::health(clients.of(target)?, service).await),
        Command::Reflect { target } => field("services", services::reflect(clients.of(target)?).await),
        Command::Bench(command) => told(bench::bench(command, clients).await?),
    }
}

fn told(answer: impl Serialize) -> Result<Value, Bug> {
    Ok(serde_json::to_value(answer)?)
}

/// The answer of a call that gives one message.
fn message(response: Result<impl Name, Error>) -> Result<Value, Bug> {
    match response {
        Ok(response) => Ok(json!({ "response": messages::to_json(&response)? })),
        Err(error) => failed(&error),
    }
}

/// An answer of one field.
fn field(name: &str, value: Result<impl Serialize, Error>) -> Result<Value, Bug> {
    match value {
        Ok(value) => Ok(json!({ name: value })),
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> Result<Value, Bug> {
    Ok(json!({ "error": CallError::of(error)? }))
}
