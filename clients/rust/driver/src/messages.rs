//! The contract's messages as protobuf's JSON, by the descriptors that the client carries.

use std::sync::LazyLock;

use claude_runner_client::prost::Name;
use claude_runner_client::{FILE_DESCRIPTOR_SET, v1};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage};
use serde_json::Value;

use crate::Bug;

static CONTRACT: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the client's descriptors can be read"));

pub(crate) fn from_json<M: Name + Default>(json: Value) -> Result<M, Bug> {
    let message = DynamicMessage::deserialize(descriptor_of::<M>()?, json)?;
    Ok(message.transcode_to()?)
}

pub(crate) fn to_json<M: Name>(message: &M) -> Result<Value, Bug> {
    Ok(serde_json::to_value(dynamic(message)?)?)
}

/// The kind of an event as the contract spells it: `text_delta`.
pub(crate) fn kind_of(response: &v1::StreamChatResponse) -> Result<String, Bug> {
    let dynamic = dynamic(response)?;
    let event = dynamic
        .descriptor()
        .oneofs()
        .find(|oneof| oneof.name() == "event")
        .ok_or("the contract has no events")?;
    let kind = event
        .fields()
        .find(|field| dynamic.has_field(field))
        .ok_or("an event of unknown kind was not skipped")?;
    Ok(kind.name().to_owned())
}

fn dynamic<M: Name>(message: &M) -> Result<DynamicMessage, Bug> {
    Ok(DynamicMessage::decode(
        descriptor_of::<M>()?,
        message.encode_to_vec().as_slice(),
    )?)
}

fn descriptor_of<M: Name>() -> Result<MessageDescriptor, Bug> {
    let name = M::full_name();
    CONTRACT
        .get_message_by_name(&name)
        .ok_or_else(|| format!("the contract has no {name}").into())
}
