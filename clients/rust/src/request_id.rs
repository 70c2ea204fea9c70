//! Names for requests: UUIDs of version 7, of which two are never the same.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::TurnName;
use crate::v1::OnDisconnect;

/// Prepares a request whose turn is to be found again: gives it a name unless it has one, and lets it go on without its
/// caller. How to ask for the turn.
pub(crate) fn name_request(request_id: &mut String, on_disconnect: &mut i32) -> TurnName {
    if request_id.is_empty() {
        *request_id = new_request_id();
    }
    *on_disconnect = OnDisconnect::Continue.into();
    TurnName::request_id(&**request_id)
}

/// A new one.
fn new_request_id() -> String {
    // A clock before 1970 gives ids that are as unique, by their random part.
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    uuid_of(since_epoch.as_millis(), random())
}

/// Version 7 as RFC 9562 has it: 48 bits of time in milliseconds, then random ones around version and variant.
fn uuid_of(unix_ms: u128, random: u128) -> String {
    let bits = (unix_ms << 80) | (0x7 << 76) | (random & (0xfff << 64)) | (0b10 << 62) | (random & (u128::MAX >> 66));
    let hex = format!("{bits:032x}");
    let (time_high, rest) = hex.split_at(8);
    let (time_low, rest) = rest.split_at(4);
    let (version, rest) = rest.split_at(4);
    let (variant, node) = rest.split_at(4);
    format!("{time_high}-{time_low}-{version}-{variant}-{node}")
}

/// From the operating system's random numbers, by the keys that it gives to hash maps.
fn random() -> u128 {
    let half = || u128::from(RandomState::new().hash_one(Instant::now()));
    (half() << 64) | half()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_of_version_7() {
        assert_eq!(
            uuid_of(0x0190_1234_5678, u128::MAX),
            "01901234-5678-7fff-bfff-ffffffffffff"
        );
        assert_eq!(uuid_of(0x0190_1234_5678, 0), "01901234-5678-7000-8000-000000000000");
    }

    #[test]
    fn no_two_ids_are_the_same() {
        let ids: std::collections::HashSet<String> = (0..1_000).map(|_| new_request_id()).collect();
        assert_eq!(ids.len(), 1_000);
    }

    #[test]
    fn a_request_keeps_the_name_that_its_caller_gave_it() {
        let (mut request_id, mut on_disconnect) = ("order-7".to_owned(), 0);
        let turn = name_request(&mut request_id, &mut on_disconnect);
        assert_eq!(turn, TurnName::request_id("order-7"));
        assert_eq!(on_disconnect, OnDisconnect::Continue as i32);
    }
}
