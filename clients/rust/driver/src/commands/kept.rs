//! `kept`: calls about the sessions and turns that the server keeps.

use claude_runner_client::prost::Name;
use claude_runner_client::{Client, Error, SessionUpdate, v1};
use serde_json::{Value, json};

use crate::protocol::KeptMethod;
use crate::{Bug, messages};

/// The response as the service has it. The inner error is what the call failed with.
pub(crate) async fn kept(client: Client, method: KeptMethod, request: Value) -> Result<Result<Value, Error>, Bug> {
    match method {
        KeptMethod::CreateSession => field("session", client.create_session(messages::from_json(request)?).await),
        KeptMethod::GetSession => {
            let request: v1::GetSessionRequest = messages::from_json(request)?;
            field("session", client.session(request.id).get().await)
        }
        KeptMethod::ListSessions => list(
            "sessions",
            client.sessions(messages::from_json(request)?).collect().await,
        ),
        KeptMethod::UpdateSession => {
            let request: v1::UpdateSessionRequest = messages::from_json(request)?;
            let session = client.session(&request.id);
            field("session", session.update(update_of(request)?).await)
        }
        KeptMethod::DeleteSession => {
            let request: v1::DeleteSessionRequest = messages::from_json(request)?;
            let session = client.session(request.id);
            let call = if request.force {
                session.delete_by_force()
            } else {
                session.delete()
            };
            message(call.await)
        }
        KeptMethod::ForkSession => {
            let request: v1::ForkSessionRequest = messages::from_json(request)?;
            field("session", client.session(&request.id).fork(request).await)
        }
        KeptMethod::ListTurns => list("turns", client.turns(messages::from_json(request)?).collect().await),
        KeptMethod::GetTurn => message(
            client
                .get_turn(messages::from_json::<v1::GetTurnRequest>(request)?)
                .await,
        ),
        KeptMethod::InterruptTurn => {
            let request: v1::InterruptTurnRequest = messages::from_json(request)?;
            message(client.interrupt_turn(request.turn_id).await)
        }
    }
}

/// What the mask names.
fn update_of(request: v1::UpdateSessionRequest) -> Result<SessionUpdate, Bug> {
    let paths = request.update_mask.unwrap_or_default().paths;
    let names = |field: &str| paths.iter().any(|path| path == field);
    let idle_expiry = request.idle_expiry.unwrap_or_default();
    Ok(SessionUpdate {
        title: names("title").then_some(request.title),
        labels: names("labels").then_some(request.labels),
        idle_expiry: names("idle_expiry").then_some(idle_expiry.try_into()?),
    })
}

fn message(response: Result<impl Name, Error>) -> Result<Result<Value, Error>, Bug> {
    Ok(match response {
        Ok(response) => Ok(messages::to_json(&response)?),
        Err(error) => Err(error),
    })
}

fn field(name: &str, part: Result<impl Name, Error>) -> Result<Result<Value, Error>, Bug> {
    Ok(match part {
        Ok(part) => Ok(json!({ name: messages::to_json(&part)? })),
        Err(error) => Err(error),
    })
}

fn list(name: &str, items: Result<Vec<impl Name>, Error>) -> Result<Result<Value, Error>, Bug> {
    Ok(match items {
        Ok(items) => {
            let items: Vec<Value> = items.iter().map(messages::to_json).collect::<Result<_, _>>()?;
            Ok(json!({ name: items }))
        }
        Err(error) => Err(error),
    })
}
