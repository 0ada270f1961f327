//! What a transaction announces, numbered from 0 in the order of its actions.

use althing_types::{
    Address, AssetId, AuthPolicy, BATCH_ACTIONS_MAX, Bytes, EVENTS_MAX, Event, Hash, List, Status, Text, encode,
};

/// The name under which native actions speak: no policy and no code hashes to it.
const NATIVE: Address = Address::new([0; 32]);

// Every native action announces one event, so that a full batch fits.
const _: () = assert!(BATCH_ACTIONS_MAX <= EVENTS_MAX);

/// The events of one transaction, at most [`EVENTS_MAX`].
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    events: Vec<Event>,
}

impl EventLog {
    /// Announces a transfer (N4). The topics are the sender, the recipient and the asset; the data is the amount.
    pub(crate) fn transfer(&mut self, from: Address, to: Address, asset: AssetId, amount: u128) -> Result<(), Status> {
        self.emit(NATIVE, "transfer", vec![topic(from), topic(to), *asset.as_hash()], encode(&amount))
    }

    /// Announces another policy (N4). The topic is the account. The data is the hash of the policy in the form of an
    /// address: the one that an account created with this policy would have.
    pub(crate) fn set_policy(&mut self, account: Address, policy: &AuthPolicy) -> Result<(), Status> {
        self.emit(NATIVE, "setPolicy", vec![topic(account)], encode(&Address::of_policy(policy)))
    }

    /// The events, in their order.
    pub(crate) fn into_list(self) -> List<Event, EVENTS_MAX> {
        List::truncated(self.events)
    }

    /// Appends an event. An event too many, or one with too long a name, too many topics or too much data, is refused.
    fn emit(&mut self, contract: Address, name: &str, topics: Vec<Hash>, data: Vec<u8>) -> Result<(), Status> {
        if self.events.len() >= EVENTS_MAX {
            return Err(Status::Limit);
        }
        let index = u32::try_from(self.events.len()).map_err(|_| Status::Limit)?;
        let name = Text::new(name).map_err(|_| Status::Limit)?;
        let topics = List::new(topics).map_err(|_| Status::Limit)?;
        let data = Bytes::new(data).map_err(|_| Status::Limit)?;
        self.events.push(Event { index, contract, name, topics, data });
        Ok(())
    }
}

const fn topic(address: Address) -> Hash {
    Hash::new(*address.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_numbered_and_bounded() {
        let mut log = EventLog::default();
        for _ in 0..EVENTS_MAX {
            assert_eq!(log.emit(NATIVE, "a", Vec::new(), Vec::new()), Ok(()));
        }
        assert_eq!(log.emit(NATIVE, "a", Vec::new(), Vec::new()), Err(Status::Limit));
        let events = log.into_list();
        assert!(events.iter().map(|event| event.index).eq(0..64));
    }

    #[test]
    fn an_event_too_large_is_refused() {
        let mut log = EventLog::default();
        assert_eq!(log.emit(NATIVE, &"a".repeat(65), Vec::new(), Vec::new()), Err(Status::Limit));
        assert_eq!(log.emit(NATIVE, "a", vec![Hash::ZERO; 5], Vec::new()), Err(Status::Limit));
        assert_eq!(log.emit(NATIVE, "a", Vec::new(), vec![0; 4097]), Err(Status::Limit));
        assert!(log.into_list().is_empty());
    }
}
