//! The clients that the driver keeps: one for each target, with its connection open between commands.

use std::collections::HashMap;

use claude_runner_client::{Client, Error};

use crate::protocol::Target;

#[derive(Default)]
pub(crate) struct Clients(HashMap<Target, Client>);

impl Clients {
    pub(crate) fn of(&mut self, target: Target) -> Result<Client, Error> {
        if let Some(client) = self.0.get(&target) {
            return Ok(client.clone());
        }
        let mut builder = Client::builder(&target.address);
        builder = match &target.token {
            Some(token) => builder.token(token),
            None => builder.without_token(),
        };
        if let Some(ca_file) = &target.ca_file {
            builder = builder.ca_file(ca_file);
        }
        // What goes wrong with the connection is to be told as the call's failure.
        let client = builder.connect_lazy()?;
        self.0.insert(target, client.clone());
        Ok(client)
    }
}
