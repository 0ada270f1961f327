//! What this validator knows of its own past, and what it asks others about it (rule D10).
//!
//! Whoever lost its log may have signed what it does not remember, and a second vote in one view is what must never
//! happen. So it signs nothing until enough others have proven in which views they are, and then nothing up to two
//! views above. Whoever believes to remember everything asks as well before it signs: its folder may be an older copy,
//! or another process may vote with its key, and its peers hold the votes that show it.
//!
//! Which views may be signed in is said by the licence alone, which [`crate::safety`] holds every vote against. Nothing
//! here trusts a hint: views come with certificates, votes with signatures, and nobody else can make either.

use std::collections::{BTreeMap, BTreeSet};

use althing_types::{Certificate, Evidence, Hash, List, Monotonic, SignedVote, ValidatorIndex, View, Vote, VoteKind};

use crate::config::Keys;
use crate::core::{Context, Core};
use crate::message::{Memory, Message, ViewProof};
use crate::output::{Output, Recipient};
use crate::record::{Record, Standing};
use crate::safety::Licence;

/// Views above the highest proven one in which nothing is signed. One is where a vote can stand of whose view nobody
/// proved more than its beginning; the other is a reserve.
const VIEWS_BEYOND: u64 = 2;
/// Questions are repeated every Δ, then ever more slowly, up to this many Δ.
const PATIENCE_MAX: u64 = 16;
/// Closed views that are searched for a vote of whoever asks.
const VIEWS_SEARCHED: usize = 64;

/// Whether this validator may sign batches of its own lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaneLicence {
    /// It may.
    Open,
    /// Not before enough others were asked whether its log is whole.
    Held,
    /// Not in this epoch: it may have signed what it does not remember.
    Silent,
}

/// What a validator that has just started remembers. It signs nothing meanwhile, so this stays true.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Remembered {
    floor: View,
    votes: BTreeSet<Vote>,
}

/// What this validator knows of its own past.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Past {
    /// What the log says. None if nobody ever said anything about it: such a log is taken for whole, and nothing is
    /// asked. A node refuses it; machines on a bench have no other.
    standing: Option<Standing>,
    /// There as long as too few others were asked.
    asking: Option<Remembered>,
    /// Who answered, and with what.
    answers: BTreeMap<ValidatorIndex, (Memory, View)>,
    /// Not before this moment the others are asked again.
    ask_at: Monotonic,
    /// How often they were.
    asked: u32,
}

impl Past {
    /// What the log says last counts.
    pub(crate) fn replay(&mut self, standing: Standing) {
        self.standing = Some(standing);
    }

    /// What the log says.
    pub(crate) const fn standing(&self) -> Option<Standing> {
        self.standing
    }

    /// Whether this validator signs nothing because it has asked too few others since it started.
    pub(crate) const fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// Who answered so far, ascending.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (ValidatorIndex, Memory)> + '_ {
        self.answers.iter().map(|(index, (memory, _))| (*index, *memory))
    }

    /// The epoch ends, and the next one begins. What was lost may be of the next one as well, unless it is known that the
    /// old one went on: then it is asked for once more (D10, E3).
    pub(crate) fn enter_epoch(&mut self) {
        let is_asking = self.asking.is_some();
        self.standing = self.standing.map(|standing| match standing {
            Standing::Settled { question, .. } => Standing::Whole { question },
            Standing::Abstaining { question, .. } | Standing::Recovering { question, .. } => {
                Standing::Recovering { question, above: View::ZERO }
            }
            Standing::Whole { .. } | Standing::Doubled { .. } => standing,
        });
        let asks = is_asking || self.is_recovering();
        self.asking = asks.then(|| Remembered { floor: View::ZERO, votes: BTreeSet::new() });
        self.answers.clear();
        (self.ask_at, self.asked) = (Monotonic::ZERO, 0);
    }

    /// In which views this validator may sign (D10).
    pub(crate) fn licence(&self) -> Licence {
        match self.standing {
            Some(Standing::Recovering { .. } | Standing::Doubled { .. }) => Licence::Nowhere,
            _ if self.asking.is_some() => Licence::Nowhere,
            Some(Standing::Abstaining { to, .. }) => Licence::Above(to),
            Some(Standing::Whole { .. } | Standing::Settled { .. }) | None => Licence::Above(View::ZERO),
        }
    }

    /// What the others are asked with.
    const fn question(&self) -> Option<Hash> {
        match self.standing {
            Some(
                Standing::Whole { question }
                | Standing::Recovering { question, .. }
                | Standing::Abstaining { question, .. }
                | Standing::Settled { question, .. },
            ) => Some(question),
            Some(Standing::Doubled { .. }) | None => None,
        }
    }

    const fn is_recovering(&self) -> bool {
        matches!(self.standing, Some(Standing::Recovering { .. }))
    }

    /// Whether answers are still waited for.
    const fn waits(&self) -> bool {
        self.is_recovering() || self.asking.is_some()
    }

    /// Whether an answer of this kind is of use: who recovers needs those who remember, who asks all who hold votes.
    const fn counts(&self, memory: Memory) -> bool {
        match memory {
            Memory::Whole => true,
            Memory::Asking => !self.is_recovering(),
            Memory::Lost => false,
        }
    }

    fn counted(&self) -> impl Iterator<Item = View> + '_ {
        self.answers.values().filter(|(memory, _)| self.counts(*memory)).map(|(_, view)| *view)
    }
}

impl Core {
    /// Whether the data plane may sign batches of this validator's own lane. Batches are numbered within an epoch, and
    /// who lost its log may have used any number of it.
    pub fn lane_licence(&self) -> LaneLicence {
        match self.past.standing {
            Some(Standing::Whole { .. }) | None if self.past.is_asking() => LaneLicence::Held,
            Some(Standing::Whole { .. }) | None => LaneLicence::Open,
            Some(_) => LaneLicence::Silent,
        }
    }

    /// How many answers end the waiting: of n − f others that remember, one at least is honest and signed the
    /// certificate that opened the highest view I can have voted in; q − 1 others are needed for any certificate of
    /// mine, so asking them keeps nobody from agreeing.
    pub(crate) fn answers_needed(&self) -> usize {
        let quorums = self.quorums();
        match self.past.is_recovering() {
            true => usize::from(quorums.nullify()),
            false => usize::from(quorums.notarize()).saturating_sub(1),
        }
    }

    /// Begins to ask where the log was begun as one that is asked about. What is replayed is all that I remember.
    pub(crate) fn look_back(&mut self) {
        if self.past.question().is_some() {
            let own = self.rounds.values().flat_map(|round| round.own.iter().map(|signed| signed.vote));
            self.past.asking = Some(Remembered { floor: self.floor.view, votes: own.collect() });
        }
        let (me, licence) = (self.me(), self.past.licence());
        if matches!(self.past.standing, Some(Standing::Recovering { .. } | Standing::Doubled { .. })) {
            for (_, round) in self.rounds.iter_mut().filter(|(view, _)| !licence.permits(**view)) {
                // Some of these may never have left. Another process may have sent others.
                round.withhold(me);
            }
        }
    }

    /// A block that does not end the epoch became final in this view: if it is above all that was lost, the epoch had not
    /// ended when that was lost (D10, E3).
    pub(crate) fn note_final_view<K>(&mut self, cx: &mut Context<'_, K>, view: View) {
        if let Some(Standing::Abstaining { question, to, .. }) = self.past.standing
            && view > to
        {
            self.settle(cx, Standing::Settled { question, epoch: self.committee().epoch });
        }
    }

    /// Asks those who have not answered, or not with what counts.
    pub(crate) fn ask(&mut self, cx: &mut Context<'_, impl Keys>) {
        let Some(question) = self.past.question().filter(|_| self.past.waits()) else { return };
        if cx.monotonic() < self.past.ask_at {
            return;
        }
        let silent: Vec<ValidatorIndex> = self.unanswered().collect();
        if silent.is_empty() {
            return;
        }
        self.past.asked = self.past.asked.saturating_add(1);
        let patience = 1u64.checked_shl(self.past.asked.saturating_sub(1)).unwrap_or(PATIENCE_MAX).min(PATIENCE_MAX);
        self.past.ask_at = cx.monotonic().plus(self.config.delta_quarters(4).saturating_mul(patience));
        for index in silent {
            self.send(cx, Recipient::One(index), Message::GetView { question });
        }
    }

    fn unanswered(&self) -> impl Iterator<Item = ValidatorIndex> + '_ {
        let answered =
            |index: &ValidatorIndex| self.past.answers.get(index).is_some_and(|(memory, _)| self.past.counts(*memory));
        self.peers.connected_validators().filter(move |index| !answered(index))
    }

    /// When somebody is asked again.
    pub(crate) fn ask_deadline(&self) -> Option<Monotonic> {
        (self.past.waits() && self.unanswered().next().is_some()).then_some(self.past.ask_at)
    }

    /// A connection begins: whoever is there now may hold votes of mine that nobody told me of.
    pub(crate) fn ask_anew<K>(&mut self, cx: &mut Context<'_, K>, index: ValidatorIndex) {
        let is_validator = index.get() < self.quorums().n();
        if let Some(question) = self.past.question().filter(|_| is_validator) {
            self.past.asked = 1;
            self.past.ask_at = cx.monotonic().plus(self.config.delta_quarters(4));
            self.send(cx, Recipient::One(index), Message::GetView { question });
        }
    }

    /// A peer asks in which view I am. It is answered whatever I remember myself, and says what that is.
    pub(crate) fn on_get_view<K: Keys>(&mut self, cx: &mut Context<'_, K>, from: ValidatorIndex, question: Hash) {
        if self.may_answer(cx, from) {
            let (memory, entry, yours) = (self.memory(), self.entry.clone(), self.votes_by(from));
            let proof = ViewProof { question, memory, entry, yours: List::truncated(yours) };
            self.send(cx, Recipient::One(from), Message::View(Box::new(proof)));
        }
    }

    /// Whether my view says how far my own votes can reach.
    fn memory(&self) -> Memory {
        let proven = proven_view(self.entry.as_ref());
        match self.past.standing {
            Some(Standing::Recovering { .. } | Standing::Doubled { .. }) => Memory::Lost,
            Some(Standing::Abstaining { to, .. }) if proven <= to => Memory::Lost,
            _ if self.past.is_asking() => Memory::Asking,
            _ => Memory::Whole,
        }
    }

    /// The newest votes of a validator that I hold: those of open views, else those in a certificate.
    fn votes_by(&self, signer: ValidatorIndex) -> Vec<SignedVote> {
        let kinds = [VoteKind::Notarize, VoteKind::Nullify, VoteKind::Finalize];
        let open = self.rounds.values().rev().flat_map(|round| {
            let counted = kinds.into_iter().filter_map(|kind| round.vote(kind, signer).copied());
            counted.chain(self.votes_in(&round.certificates(), signer)).collect::<Vec<_>>()
        });
        let closed = self.history.newest(VIEWS_SEARCHED).flat_map(|kept| self.votes_in(kept, signer));
        let mut votes: Vec<SignedVote> = open.chain(closed).take(kinds.len()).collect();
        votes.dedup();
        votes
    }

    fn votes_in(&self, certificates: &[Certificate], signer: ValidatorIndex) -> Vec<SignedVote> {
        let votes = certificates.iter().flat_map(|certificate| certificate.votes(self.committee()));
        votes.filter(|vote| vote.signer == signer).collect()
    }

    /// A peer proves its view. Only a certificate that is above my own view has to be verified: a lower one can
    /// only make a liar's answer smaller, which is the liar's to choose.
    pub(crate) fn on_view<K: Keys>(&mut self, cx: &mut Context<'_, K>, from: ValidatorIndex, proof: ViewProof) {
        let asked = from.get() < self.quorums().n();
        if self.past.question() != Some(proof.question) || !asked {
            return;
        }
        let foreign: Vec<SignedVote> = proof.yours.iter().filter(|vote| self.is_foreign(vote)).copied().collect();
        for vote in foreign {
            if !vote.verify(cx.keys, self.committee()) {
                return self.misbehaved(cx, from, "a vote of another validator that does not verify");
            }
            self.doubled(cx, Some(vote));
        }
        let view = proven_view(proof.entry.as_ref());
        if let Some(entry) = proof.entry
            && !self.accept(cx, from, entry)
        {
            return;
        }
        self.past.answers.insert(from, (proof.memory, view));
        self.tell_status(cx, from);
    }

    /// Ends the waiting once enough answered. What I may not sign in is logged before anything that I sign then, so it
    /// is durable before any of that leaves.
    pub(crate) fn reconsider<K: Keys>(&mut self, cx: &mut Context<'_, K>) {
        if !self.past.waits() || self.past.counted().count() < self.answers_needed() {
            return;
        }
        if let Some(Standing::Recovering { question, above }) = self.past.standing {
            let highest = self.past.counted().max().unwrap_or_default();
            // What is known to be lost is no reason to leave more out: the proven views bound what is not known.
            let (epoch, to) = (self.committee().epoch, highest.plus(VIEWS_BEYOND).max(above));
            self.settle(cx, Standing::Abstaining { question, epoch, to });
        }
        self.past.asking = None;
        self.past.answers.clear();
        self.revive(cx);
    }

    fn settle<K>(&mut self, cx: &mut Context<'_, K>, standing: Standing) {
        self.past.standing = Some(standing);
        self.journal.append(Record::Standing(standing), cx.out);
        cx.out.push(Output::Standing(standing));
    }

    /// Whether a vote with my signature is none that I remember, in a view of which I should remember all. What is
    /// lost and known to be lost surprises nobody.
    fn is_foreign(&self, vote: &SignedVote) -> bool {
        let (view, past) = (vote.vote.view(), &self.past);
        let lost = match past.standing {
            Some(Standing::Whole { .. } | Standing::Settled { .. }) => View::ZERO,
            Some(Standing::Abstaining { to, .. }) => to,
            Some(Standing::Recovering { .. } | Standing::Doubled { .. }) | None => return false,
        };
        let forgotten = match &past.asking {
            Some(known) => view > known.floor && !known.votes.contains(&vote.vote),
            None => {
                let known = self.rounds.get(&view).is_some_and(|round| round.facts.holds(&vote.vote));
                view > self.floor.view && !known
            }
        };
        vote.signer == self.me() && view > lost && forgotten
    }

    /// Looks for a vote of mine in a verified certificate (D10).
    pub(crate) fn find_own<K>(&mut self, cx: &mut Context<'_, K>, certificate: &Certificate) {
        if self.past.standing.is_some() {
            let foreign = self.votes_in(std::slice::from_ref(certificate), self.me());
            if let Some(vote) = foreign.into_iter().find(|vote| self.is_foreign(vote)) {
                self.doubled(cx, Some(vote));
            }
        }
    }

    /// Evidence against me: an honest validator never signs such a pair, so another one signed with my key. What is
    /// told of a time that I know to have lost is old news.
    pub(crate) fn find_accused<K>(&mut self, cx: &mut Context<'_, K>, evidence: &Evidence) {
        if evidence.culprit() != self.me() || evidence.epoch() != self.committee().epoch {
            return;
        }
        match (self.past.standing, evidence) {
            (Some(Standing::Whole { .. }), Evidence::Batches(..)) => self.doubled(cx, None),
            (Some(Standing::Whole { .. }), Evidence::Votes(_, vote)) => self.doubled(cx, Some(*vote)),
            (Some(Standing::Abstaining { to, .. }), Evidence::Votes(_, vote)) if vote.vote.view() > to => {
                self.doubled(cx, Some(*vote));
            }
            _ => {}
        }
    }

    /// I stop signing, durably: whether another process goes on with my key nobody can tell from here.
    fn doubled<K>(&mut self, cx: &mut Context<'_, K>, vote: Option<SignedVote>) {
        if !matches!(self.past.standing, Some(Standing::Doubled { .. })) {
            self.past.asking = None;
            self.building = None;
            self.settle(cx, Standing::Doubled { vote });
        }
    }
}

/// The view that a certificate opened; without one it is the first of the epoch.
fn proven_view(entry: Option<&Certificate>) -> View {
    entry.map_or(View::ZERO.next(), |entry| entry.view().next())
}
