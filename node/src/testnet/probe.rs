//! Asking the nodes how they are: all at once, and no longer than one that does not answer deserves.

use std::time::Duration;

use althing_client::Connection;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::error::TestnetError;
use super::view::NodeAnswer;

/// How long a node may take to say how it is. It answers from memory.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Whoever asks.
#[derive(Debug)]
pub(super) struct Probe {
    runtime: Runtime,
}

impl Probe {
    pub(super) fn new() -> Result<Self, TestnetError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| TestnetError::System { what: "an async runtime", source })?;
        Ok(Self { runtime })
    }

    /// What the nodes behind these URLs say, in their order; none for one that does not answer. A place without a URL
    /// is not asked.
    pub(super) fn ask(&self, urls: &[Option<String>]) -> Vec<Option<NodeAnswer>> {
        let mut answers = vec![None; urls.len()];
        self.runtime.block_on(async {
            let mut asked = JoinSet::new();
            for (index, url) in urls.iter().enumerate() {
                let Some(url) = url.clone() else { continue };
                asked
                    .spawn(async move { (index, tokio::time::timeout(ANSWER_MAX, status(&url)).await.ok().flatten()) });
            }
            while let Some(joined) = asked.join_next().await {
                if let Some((place, answer)) =
                    joined.ok().and_then(|(index, answer)| Some((answers.get_mut(index)?, answer)))
                {
                    *place = answer;
                }
            }
        });
        answers
    }
}

async fn status(url: &str) -> Option<NodeAnswer> {
    let connection = Connection::new([url]).ok()?;
    let status: Value = connection.call("node_status", json!({})).await.ok()?;
    let count = |name: &str| status["peers"][name].as_u64().and_then(|count| u32::try_from(count).ok());
    Some(NodeAnswer {
        height: status["latest"]["height"].as_str()?.to_owned(),
        state_root: status["latest"]["stateRoot"].as_str()?.to_owned(),
        peers: count("connected")?,
        peers_expected: count("expected")?,
    })
}
