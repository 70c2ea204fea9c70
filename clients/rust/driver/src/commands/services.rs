//! `health` and `reflect`: the standard services, by the packages that people use for them, over the client's connection.

use claude_runner_client::{Client, Error};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

pub(crate) async fn health(client: Client, service: String) -> Result<&'static str, Error> {
    let mut health = HealthClient::new(client.connection());
    let response = health.check(HealthCheckRequest { service }).await?;
    Ok(response.get_ref().status().as_str_name())
}

pub(crate) async fn reflect(client: Client) -> Result<Vec<String>, Error> {
    let mut reflection = ServerReflectionClient::new(client.connection());
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let question = ServerReflectionRequest {
        message_request,
        ..ServerReflectionRequest::default()
    };
    let mut answers = reflection
        .server_reflection_info(tokio_stream::once(question))
        .await?
        .into_inner();
    let mut names = Vec::new();
    while let Some(answer) = answers.message().await? {
        if let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response {
            names.extend(list.service.into_iter().map(|service| service.name));
        }
    }
    Ok(names)
}
