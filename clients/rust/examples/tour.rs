//! A tour of the client: a turn as it streams, one that is cancelled, a conversation, a session, one that is
//! rejoined when its connection breaks, and a request that is refused.
//!
//! The server is the one in `CLAUDE_RUNNER_ADDRESS`, with the token in `CLAUDE_RUNNER_TOKEN`.

use std::io::Write;

use claude_runner_client::v1::{CreateSessionRequest, StreamChatRequest};
use claude_runner_client::{Client, Error, Event, TurnName};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = Client::connect_from_env().await?;
    let info = client.info().await?;
    println!(
        "claude-runner {}, Claude Code {}",
        info.server_version, info.cli_version
    );

    stream(&client).await?;
    cancel(&client).await?;
    converse(&client).await?;
    go_on_in_a_session(&client).await?;
    rejoin(&client).await?;
    be_refused(&client).await
}

/// Prints the answer as it comes, and what it cost.
async fn stream(client: &Client) -> Result<(), Error> {
    println!("\n== A turn");
    let mut turn = client.stream("Say hello").await?;
    while let Some(response) = turn.next().await {
        match response?.event {
            Some(Event::Started(started)) => println!("[{} answers, {:?}]", started.model, started.claim_source()),
            Some(Event::TextDelta(delta)) => show(&delta.text),
            Some(Event::Result(result)) => println!("\n[{:?}, {} µ$]", result.outcome(), result.cost_usd_micros),
            _ => {}
        }
    }
    Ok(())
}

/// Leaves in the middle. The worker is free again at once.
async fn cancel(client: &Client) -> Result<(), Error> {
    println!("\n== A turn that is cancelled");
    let mut turn = client.stream("Tell me a long story").await?;
    if let Some(text) = turn.text().next().await {
        show(&text?);
    }
    turn.cancel();
    println!(" …");
    Ok(())
}

async fn converse(client: &Client) -> Result<(), Error> {
    println!("\n== A conversation");
    let mut conversation = client.conversation();
    for prompt in ["My name is Ada.", "What is my name?"] {
        let mut turn = conversation.stream(prompt).await?;
        let text = turn.collect_text().await?;
        let seeded = turn.started().map_or(0, |started| started.seeded_message_count);
        println!("> {prompt}\n{text}\n[after {seeded} messages]");
    }
    Ok(())
}

/// The server keeps what is said, for as long as the session is there.
async fn go_on_in_a_session(client: &Client) -> Result<(), Error> {
    println!("\n== A session");
    let created = client.create_session(CreateSessionRequest::default()).await?;
    let session = client.session(created.id);
    for prompt in ["My name is Ada.", "What is my name?"] {
        println!("> {prompt}\n{}", session.chat(prompt).await?.text);
    }
    println!("[{} turns]", session.turns().collect().await?.len());
    session.delete().await?;
    Ok(())
}

/// Goes on when the connection breaks, and is read again afterwards.
async fn rejoin(client: &Client) -> Result<(), Error> {
    println!("\n== A turn that is rejoined when its connection breaks");
    let mut turn = client.stream("Write a report").rejoin().await?;
    while let Some(text) = turn.text().next().await {
        show(&text?);
    }
    let mut again = client.attach(TurnName::id(turn.turn_id())).await?;
    println!("\n[{} bytes, read again]", again.collect_text().await?.len());
    Ok(())
}

/// Shows every mistake in a request at once.
async fn be_refused(client: &Client) -> Result<(), Error> {
    println!("\n== A request with mistakes");
    let request = StreamChatRequest {
        profile: "No Such Profile".to_owned(),
        ..StreamChatRequest::default()
    };
    match client.stream(request).await {
        Ok(turn) => println!("the server took it as {turn:?}"),
        Err(error) => {
            println!("{error}");
            for violation in error.violations() {
                println!("  {}: {}", violation.field, violation.description);
            }
        }
    }
    Ok(())
}

fn show(text: &str) {
    print!("{text}");
    // To the eye, and not to a buffer that waits for the end of the line.
    let _ = std::io::stdout().flush();
}
