//! `text` and `conversation`: turns through the parts of the client that read them.

use claude_runner_client::v1::StreamChatRequest;
use claude_runner_client::{Client, Error};
use serde_json::Value;

use crate::protocol::{CallError, ConversationAnswer, ConversationTurn, TextAnswer, TextSeen};
use crate::{Bug, messages};

pub(crate) async fn text(client: Client, request: Value) -> Result<TextAnswer, Bug> {
    let mut pieces = Vec::new();
    let end = read_text(&client, messages::from_json(request)?, &mut pieces).await;
    Ok(TextAnswer {
        piece_count: pieces.len(),
        text: TextSeen::of(pieces.concat()),
        error: end.err().as_ref().map(CallError::of).transpose()?,
    })
}

async fn read_text(client: &Client, request: StreamChatRequest, pieces: &mut Vec<String>) -> Result<(), Error> {
    let mut turn = client.stream(request).await?;
    while let Some(piece) = turn.text().next().await {
        pieces.push(piece?);
    }
    Ok(())
}

pub(crate) async fn conversation(client: Client, prompts: Vec<String>) -> Result<ConversationAnswer, Bug> {
    let mut turns = Vec::new();
    let end = converse(&client, prompts, &mut turns).await;
    Ok(ConversationAnswer {
        turns,
        error: end.err().as_ref().map(CallError::of).transpose()?,
    })
}

async fn converse(client: &Client, prompts: Vec<String>, turns: &mut Vec<ConversationTurn>) -> Result<(), Error> {
    let mut conversation = client.conversation();
    for prompt in prompts {
        let mut turn = conversation.stream(prompt).await?;
        let text = turn.collect_text().await?;
        let seeded_message_count = turn.started().map_or(0, |started| started.seeded_message_count);
        turns.push(ConversationTurn {
            text,
            seeded_message_count,
        });
    }
    Ok(())
}
