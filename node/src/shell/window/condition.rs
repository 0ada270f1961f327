//! How the node itself is: its status, its peers, consensus as it sees it, and its health. Here a validator and an
//! observer differ: the one asks its replica, the other knows how far certificates show the chain to be.

use std::time::Duration;

use althing_consensus::{Alarm, Standing};
use althing_network::{Handle, PeerState, PeerStatus, Role as PeerRole};
use althing_rpc::api::{
    ApiError, CheckView, ConsensusAnswer, Decimal, ErrorCode, HeadView, HealthAnswer, Hex, MempoolView, PROTOCOL,
    PeerCountView, PeerView, Role, StatusAnswer, SyncState, SyncView, TimerView, VersionView, VotesView,
};
use althing_types::{Height, Monotonic, VoteKind};

use super::{Place, Window};
use crate::shell::entrance::Pool;
use crate::shell::heads::is_behind;
use crate::shell::stop::locked;

/// How long work may wait before the node counts as not ready.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// What `healthz` asks of every node.
struct Findings {
    checks: Vec<(&'static str, CheckView)>,
    live: bool,
}

impl Window {
    pub(super) async fn node_status(&self) -> Result<StatusAnswer, ApiError> {
        let (role, (count_waiting, bytes_waiting), reported) = match &self.parts.place {
            Place::Validator(pool) => {
                let look = pool.look(|replica| (replica.mempool(), replica.consensus().reported)).await;
                let (mempool, reported) = look?;
                (Role::Validator, (mempool.pool_count, mempool.pool_bytes), reported)
            }
            Place::Observer { horizon, forwarding } => (Role::Observer, forwarding.load(), horizon.height()),
        };
        let head = self.reader().head();
        let is_behind = is_behind(head.header.height, reported);
        let peers = self.peer_statuses();
        let connected = peers.iter().filter(|peer| is_connected(peer)).count();
        Ok(StatusAnswer {
            chain_id: self.chain.chain_id.clone(),
            genesis_hash: Hex(self.chain.genesis),
            address_prefix: self.chain.notation.prefix().as_str().to_owned(),
            role,
            node_key: Hex(self.parts.node_key),
            version: VersionView { semver: env!("CARGO_PKG_VERSION").to_owned(), protocol: PROTOCOL },
            sync: SyncView {
                state: if is_behind { SyncState::Syncing } else { SyncState::Synced },
                height: Decimal(head.header.height),
                target_height: Decimal(reported.max(head.header.height)),
            },
            latest: HeadView {
                height: Decimal(head.header.height),
                block_hash: Hex(head.id),
                state_root: Hex(head.summary.state_root),
                time: Decimal(head.header.time),
                epoch: Decimal(head.header.epoch),
                certified_height: Decimal(head.certified.unwrap_or_default()),
            },
            earliest_height: Decimal(self.reader().earliest()),
            peers: PeerCountView { connected: count(connected), expected: count(peers.len()) },
            mempool: MempoolView {
                txs: count(count_waiting),
                bytes: Decimal(u64::try_from(bytes_waiting).unwrap_or(u64::MAX)),
            },
            uptime_ms: Decimal(u64::try_from(self.parts.clock.uptime().as_millis()).unwrap_or(u64::MAX)),
        })
    }

    pub(super) fn peer_views(&self) -> Vec<PeerView> {
        self.peer_statuses().into_iter().map(peer_view).collect()
    }

    pub(super) async fn consensus_state(&self) -> Result<ConsensusAnswer, ApiError> {
        let Place::Validator(pool) = &self.parts.place else {
            let message = "this node is an observer and takes no part in consensus";
            return Err(ApiError::new(ErrorCode::NotAValidator, message));
        };
        let (snapshot, deadline) = pool.look(|replica| (replica.consensus(), replica.deadline())).await?;
        let voted = |kind: VoteKind| {
            let of_kind = snapshot.voted.iter().filter(|(voted, _)| *voted == kind);
            of_kind.map(|(_, signer)| signer.get()).collect::<Vec<u16>>()
        };
        let now = self.parts.clock.now().monotonic;
        let timer = |deadline: Monotonic| TimerView {
            name: "next".to_owned(),
            in_ms: Decimal(deadline.get().saturating_sub(now.get()) / 1_000),
        };
        Ok(ConsensusAnswer {
            epoch: Decimal(self.reader().head().header.epoch),
            height: Decimal(snapshot.height),
            view: Decimal(snapshot.view),
            leader: snapshot.leader.get(),
            entered_ms_ago: Decimal(now.get().saturating_sub(snapshot.entered.get()) / 1_000),
            final_view: Decimal(snapshot.floor),
            final_block: Hex(snapshot.final_block),
            votes: VotesView {
                notarize: voted(VoteKind::Notarize),
                nullify: voted(VoteKind::Nullify),
                finalize: voted(VoteKind::Finalize),
            },
            missing: snapshot.missing.iter().map(|index| index.get()).collect(),
            timers: deadline.map(timer).into_iter().collect(),
            halted: snapshot.halted.as_ref().map(told).or_else(|| snapshot.standing.and_then(told_standing)),
        })
    }

    pub(super) async fn node_health(&self) -> HealthAnswer {
        let Findings { mut checks, live } = match &self.parts.place {
            Place::Validator(pool) => self.validator_findings(pool).await,
            Place::Observer { horizon, .. } => self.observer_findings(horizon.height()),
        };
        let serving = !self.parts.stop.is_set();
        checks.push(("serving", check(serving, "yes", "the node is about to end")));
        let ready = checks.iter().all(|(_, check)| check.ok);
        let checks = checks.into_iter().map(|(name, check)| (name.to_owned(), check)).collect();
        HealthAnswer { live, ready, checks }
    }

    async fn validator_findings(&self, pool: &Pool) -> Findings {
        let looked = pool.look(|replica| {
            let consensus = replica.consensus();
            let is_stopped = consensus.halted.is_some() || matches!(consensus.standing, Some(Standing::Doubled { .. }));
            (is_stopped, consensus.reported, replica.mempool())
        });
        let (live, voting, work, synced) = match &looked.await {
            Ok((halted, reported, mempool)) => {
                // What waits for somebody's missing sequence number is no work of ours.
                let has_work = mempool.ready_count > 0 || mempool.in_flight_count > 0;
                let is_synced = !is_behind(*self.parts.heads.borrow(), *reported);
                (true, !halted && !mempool.is_silent, !self.is_stuck(has_work), is_synced)
            }
            Err(_) => (false, false, false, false),
        };
        let connected = self.connected_validators();
        let needed = u32::from(self.validators.quorum).saturating_sub(1);
        let missing = format!("{connected} other validators are connected, {needed} are needed; see node_peers");
        let checks = vec![
            ("replica", check(live, "it answers", "it does not answer")),
            ("voting", check(voting, "yes", "this node does not vote, or its lane is silent; node_why says why")),
            ("peers", check(connected >= needed, "enough are connected", &missing)),
            ("sync", check(synced, "it has what the others have", "it is catching up")),
            ("work", check(work, "none has been waiting for long", "work has waited for over 10 s")),
        ];
        Findings { checks, live }
    }

    /// An observer is ready if a validator is connected and what certificates show to be final is here.
    fn observer_findings(&self, horizon: Height) -> Findings {
        let connected = self.connected_validators();
        let synced = !is_behind(*self.parts.heads.borrow(), horizon);
        let checks = vec![
            ("peers", check(connected > 0, "a validator is connected", "no validator is connected; see node_peers")),
            ("sync", check(synced, "it has what is known to be final", "it is catching up")),
        ];
        Findings { checks, live: true }
    }

    /// Whether work has been waiting for long without a new block.
    fn is_stuck(&self, has_work: bool) -> bool {
        let (now, height) = (self.parts.clock.now().monotonic, *self.parts.heads.borrow());
        let mut stuck = locked(&self.stuck);
        match *stuck {
            _ if !has_work => *stuck = None,
            Some((since, at)) if at == height => {
                return now.get().saturating_sub(since.get())
                    > u64::try_from(STUCK_AFTER.as_micros()).unwrap_or(u64::MAX);
            }
            _ => *stuck = Some((now, height)),
        }
        false
    }

    fn connected_validators(&self) -> u32 {
        let peers = self.peer_statuses();
        count(peers.iter().filter(|peer| peer.role == PeerRole::Validator && is_connected(peer)).count())
    }

    fn peer_statuses(&self) -> Vec<PeerStatus> {
        self.parts.network.as_ref().map(Handle::peers).unwrap_or_default()
    }
}

/// Why a validator stopped, without the certificates of a proof, which `althing evidence` shows.
fn told(alarm: &Alarm) -> String {
    match alarm {
        Alarm::Fork { ours, theirs, proof } => {
            let proven = if proof.is_some() { "proven" } else { "not proven yet" };
            format!("a fork, {proven}: {ours} here, {theirs} elsewhere")
        }
        alarm => format!("{alarm:?}"),
    }
}

/// Why a validator does not vote because of its past (rule D10).
fn told_standing(standing: Standing) -> Option<String> {
    match standing {
        Standing::Doubled { .. } => Some("a vote of this validator's key was seen that it did not cast".to_owned()),
        Standing::Recovering { .. } => Some("its vote log was lost, and it recovers".to_owned()),
        Standing::Abstaining { .. } | Standing::Settled { .. } | Standing::Whole { .. } => None,
    }
}

fn check(ok: bool, well: &str, ill: &str) -> CheckView {
    CheckView { ok, detail: if ok { well } else { ill }.to_owned() }
}

fn is_connected(peer: &PeerStatus) -> bool {
    matches!(peer.state, PeerState::Connected { .. })
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn peer_view(peer: PeerStatus) -> PeerView {
    let connected = is_connected(&peer);
    let millis = |time: Duration| Decimal(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let (since, why, agent) = match peer.state {
        PeerState::Connected { for_, agent, .. } => (Some(for_), None, Some(agent)),
        PeerState::Unreachable { for_, why, .. } => (Some(for_), Some(why), None),
        PeerState::OtherChain { genesis, chain_id, .. } => {
            (None, Some(format!("it is on chain {chain_id} with genesis {genesis}")), None)
        }
        PeerState::Waiting => (None, Some("it has not come yet, and its address is not known".to_owned()), None),
    };
    PeerView {
        name: peer.name,
        node_key: Hex(peer.key),
        role: match peer.role {
            PeerRole::Validator => Role::Validator,
            PeerRole::Observer => Role::Observer,
        },
        connected,
        address: peer.address.map(|address| address.to_string()),
        since_ms: since.map(millis),
        why,
        agent,
        round_trip_us: peer.round_trip.map(|time| Decimal(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))),
        bytes_in: Decimal(peer.bytes_in),
        bytes_out: Decimal(peer.bytes_out),
        frames_dropped: Decimal(peer.frames_dropped),
    }
}
