//! What may stand where a request is wanted: a plain prompt, or the request of a stream for a collected turn.

use crate::v1::{ChatRequest, StreamChatRequest};

impl From<&str> for StreamChatRequest {
    fn from(prompt: &str) -> Self {
        Self::from(prompt.to_owned())
    }
}

impl From<&String> for StreamChatRequest {
    fn from(prompt: &String) -> Self {
        Self::from(prompt.clone())
    }
}

impl From<String> for StreamChatRequest {
    fn from(prompt: String) -> Self {
        Self {
            prompt,
            ..Self::default()
        }
    }
}

impl From<&str> for ChatRequest {
    fn from(prompt: &str) -> Self {
        Self::from(prompt.to_owned())
    }
}

impl From<&String> for ChatRequest {
    fn from(prompt: &String) -> Self {
        Self::from(prompt.clone())
    }
}

impl From<String> for ChatRequest {
    fn from(prompt: String) -> Self {
        Self {
            prompt,
            ..Self::default()
        }
    }
}

/// The same turn, collected. `detail` has no meaning there.
impl From<StreamChatRequest> for ChatRequest {
    fn from(request: StreamChatRequest) -> Self {
        // Field by field, so that a new one of the contract is not forgotten here.
        let StreamChatRequest {
            profile,
            prompt,
            content,
            history,
            system_prompt,
            model,
            effort,
            output_schema_json,
            limits,
            detail: _,
            labels,
            session,
            busy_policy,
            on_disconnect,
            request_id,
        } = request;
        Self {
            profile,
            prompt,
            content,
            history,
            system_prompt,
            model,
            effort,
            output_schema_json,
            limits,
            labels,
            session,
            busy_policy,
            on_disconnect,
            request_id,
        }
    }
}
