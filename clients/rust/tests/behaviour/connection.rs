//! The client over a real connection: what a server gets, and what a broken connection means.

use std::error::Error as _;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use claude_runner_client::tonic::service::InterceptorLayer;
use claude_runner_client::tonic::{Code, Request};
use claude_runner_client::{Client, ClientBuilder, Error, bytes::Bytes};
use h2::Reason;
use h2::server::SendResponse;
use http::{HeaderMap, Response};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::scripted::{framed, started, stream_of};

type Call = (http::Request<h2::RecvStream>, SendResponse<Bytes>);

/// What becomes of the connection after a call.
enum Then {
    GoOn,
    Close,
    GoAway(Reason),
}

/// A server that does with each call what `answer` does, until the runtime of its test ends.
struct Server {
    address: String,
    /// Closes the connection that is open.
    hang_up: Arc<Notify>,
}

impl Server {
    async fn start(mut answer: impl FnMut(Call) -> Then + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let hang_up = Arc::new(Notify::new());
        let is_over = Arc::clone(&hang_up);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let mut connection = h2::server::handshake(socket).await.unwrap();
                loop {
                    let call = tokio::select! {
                        call = connection.accept() => call,
                        () = is_over.notified() => None,
                    };
                    let Some(Ok(call)) = call else { break };
                    match answer(call) {
                        Then::GoOn => {}
                        Then::Close => break,
                        Then::GoAway(reason) => connection.abrupt_shutdown(reason),
                    }
                }
            }
        });
        Self { address, hang_up }
    }

    fn builder(&self) -> ClientBuilder {
        Client::builder(&self.address).token("s3cret").retry(false)
    }
}

/// To be sent again at once, if at all.
fn refuse(respond: &mut SendResponse<Bytes>, code: Code) {
    let response = Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", i32::from(code))
        .header("grpc-message", "no")
        .header("grpc-retry-pushback-ms", "0");
    respond.send_response(response.body(()).unwrap(), true).unwrap();
}

async fn error_of(client: &Client) -> Error {
    match client.stream("Hi").await {
        Ok(mut turn) => turn.result().await.unwrap_err(),
        Err(error) => error,
    }
}

#[tokio::test]
async fn the_server_gets_the_token_and_no_error_shows_it() {
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let headers = Arc::clone(&seen);
    let server = Server::start(move |(request, mut respond)| {
        *headers.lock().unwrap() = request.headers().clone();
        refuse(&mut respond, Code::Unauthenticated);
        Then::GoOn
    })
    .await;
    let client = server.builder().connect().await.unwrap();
    let error = error_of(&client).await;
    assert_eq!((error.code(), error.message()), (Code::Unauthenticated, "no"));
    assert!(!format!("{error} {error:?} {:?} {client:?}", error.status()).contains("s3cret"));
    let seen = seen.lock().unwrap();
    assert_eq!(seen["authorization"], "Bearer s3cret");
    assert!(
        seen["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("claude-runner-client-rust/")
    );
}

#[tokio::test]
async fn a_layer_sees_every_attempt_and_adds_to_it_but_never_sees_the_token() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let traceparents = Arc::clone(&seen);
    let server = Server::start(move |(request, mut respond)| {
        traceparents
            .lock()
            .unwrap()
            .push(request.headers()["traceparent"].clone());
        assert!(request.headers().contains_key("authorization"));
        refuse(&mut respond, Code::Unavailable);
        Then::GoOn
    })
    .await;
    let attempts = Arc::new(AtomicU32::new(0));
    let layer = InterceptorLayer::new(move |mut request: Request<()>| {
        assert!(!request.metadata().contains_key("authorization"));
        request
            .metadata_mut()
            .insert("traceparent", attempts.fetch_add(1, Relaxed).into());
        Ok(request)
    });
    let client = server.builder().retry(true).layer(layer).connect().await.unwrap();
    assert_eq!(error_of(&client).await.attempt_count(), 4);
    assert_eq!(*seen.lock().unwrap(), ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn a_call_that_the_server_resets_fails_as_grpc_maps_the_reason() {
    let mut reasons = [
        (Reason::REFUSED_STREAM, Code::Unavailable),
        (Reason::ENHANCE_YOUR_CALM, Code::ResourceExhausted),
        (Reason::INTERNAL_ERROR, Code::Internal),
        (Reason::CANCEL, Code::Cancelled),
    ]
    .into_iter();
    let expected: Vec<Code> = reasons.clone().map(|(_, code)| code).collect();
    let server = Server::start(move |(_, mut respond)| {
        respond.send_reset(reasons.next().unwrap().0);
        Then::GoOn
    })
    .await;
    let client = server.builder().connect().await.unwrap();
    let mut codes = Vec::new();
    for _ in 0..expected.len() {
        codes.push(error_of(&client).await.code());
    }
    assert_eq!(codes, expected);
}

#[tokio::test]
async fn a_connection_that_is_lost_before_an_answer_is_unavailable_and_the_next_call_makes_a_new_one() {
    let mut calls = 0;
    let server = Server::start(move |(_, mut respond)| {
        calls += 1;
        match calls {
            1 => Then::Close,
            2 => Then::GoAway(Reason::NO_ERROR),
            3 => Then::GoAway(Reason::ENHANCE_YOUR_CALM),
            _ => {
                refuse(&mut respond, Code::NotFound);
                Then::GoOn
            }
        }
    })
    .await;
    let client = server.builder().connect().await.unwrap();
    for _ in 0..3 {
        let error = error_of(&client).await;
        assert_eq!((error.code(), error.may_retry()), (Code::Unavailable, true), "{error}");
        assert!(
            error.message().starts_with("the connection failed: transport error: "),
            "{error}"
        );
        assert!(error.source().is_some());
    }
    assert_eq!(error_of(&client).await.code(), Code::NotFound);
}

#[tokio::test]
async fn a_connection_that_is_lost_in_mid_turn_is_unavailable_but_the_turn_may_not_be_repeated() {
    let mut kept = Vec::new();
    let server = Server::start(move |(_, mut respond)| {
        let response = Response::builder()
            .header("content-type", "application/grpc")
            .body(())
            .unwrap();
        let mut body = respond.send_response(response, false).unwrap();
        body.send_data(framed(&stream_of([started()])[0]), false).unwrap();
        kept.push(body);
        Then::GoOn
    })
    .await;
    let client = server.builder().connect().await.unwrap();
    let mut turn = client.stream("Hi").await.unwrap();
    turn.next().await.unwrap().unwrap();
    server.hang_up.notify_one();
    let error = turn.result().await.unwrap_err();
    assert_eq!((error.code(), error.may_retry()), (Code::Unavailable, false), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_with_its_address() {
    // Bound and not listening: nobody else gets the port.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap().to_string();

    let error = Client::builder(&address).connect().await.unwrap_err();
    assert_eq!((error.code(), error.attempt_count()), (Code::Unavailable, 0));
    assert!(error.message().contains(&address), "{error}");

    let client = Client::builder(&address).retry(false).connect_lazy().unwrap();
    let error = client.info().await.unwrap_err();
    assert_eq!(
        (error.code(), error.attempt_count(), error.may_retry()),
        (Code::Unavailable, 1, true)
    );
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_ca_file_that_cannot_be_used_is_a_mistake_of_the_caller() {
    let without_certificates = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for path in [without_certificates, "no-such-file.pem"] {
        let error = Client::builder("127.0.0.1:1")
            .ca_file(path)
            .connect()
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(path), "{error}");
    }
}
