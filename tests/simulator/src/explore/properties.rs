//! What must hold of all votes that were signed, by counting them. Nothing of the code that is explored is used here:
//! the numbers are those of section 2 of the specification, and certificates are counted, not made. Votes are counted by
//! epoch and view, so a vote of one epoch says nothing in the other.

use super::label::BlockId;
use super::stage::{Stage, Votes};

/// Quorums by their formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    quorum: u32,
    nullify: u32,
    /// n − p, and f + p, where the fast path is on.
    fast: Option<(u32, u32)>,
    /// Validators that sign whatever is useful.
    faulty: u32,
}

/// What the votes of a moment allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Blocks that are final by a certificate that could be formed, and all below them, one bit each.
    pub(super) finals: u32,
    /// A rule that does not hold.
    pub(super) broken: Option<String>,
}

/// What certificates of one view could be formed.
#[derive(Default)]
struct Certified {
    finals: Vec<BlockId>,
    /// Blocks that may be built on.
    blocks: Vec<BlockId>,
    skip: bool,
    /// A Nullification in which two blocks are reported often enough.
    ambiguous: bool,
}

impl Rules {
    pub(super) fn new(n: u16, fast_path: bool, faulty: bool) -> Self {
        let n = u32::from(n);
        let f = (n - 1) / 3;
        let p = (n - 3 * f - 1) / 2;
        let fast = fast_path.then_some((n - p, f + p));
        Self { quorum: (n + f) / 2 + 1, nullify: n - f, fast, faulty: u32::from(faulty) }
    }

    /// The quorum, the votes of a Nullification, and n − p and f + p where the fast path is on.
    pub(super) const fn numbers(&self) -> (u32, u32, Option<(u32, u32)>) {
        (self.quorum, self.nullify, self.fast)
    }

    /// Holds every rule against the votes of the honest validators, each with what it sent.
    pub(super) fn examine(&self, stage: &Stage, sent: &[Votes]) -> Findings {
        let views: Vec<Certified> = (1..=stage.views).map(|view| self.certified(stage, view, sent)).collect();
        let finals: Vec<BlockId> = views.iter().flat_map(|view| view.finals.iter().copied()).collect();
        let mut broken = None;
        for (view, certified) in (1..).zip(&views) {
            broken = broken.or_else(|| conflict(stage, view, certified));
        }
        let forked =
            || finals.iter().find_map(|a| finals.iter().find(|b| !stage.on_one_chain(*a, **b)).map(|b| (a, b)));
        broken = broken.or_else(|| {
            forked().map(|(a, b)| format!("final blocks on two chains: {} and {}", name(stage, *a), name(stage, *b)))
        });
        broken = broken.or_else(|| beside(stage, &finals, sent)).or_else(|| ended(stage, &finals, sent));
        Findings { finals: finals.iter().fold(0, |all, block| all | stage.path(*block)), broken }
    }

    fn certified(&self, stage: &Stage, view: u64, sent: &[Votes]) -> Certified {
        let count = |number: u8| sent.iter().map(|votes| u32::from(votes >> number & 1 == 1)).sum::<u32>();
        let mut certified = Certified::default();
        let mut reports = vec![(None, count(Stage::nothing(view)))];
        for block in stage.block_ids().filter(|block| stage.block(*block).view == view) {
            let notarize = count(Stage::notarize(block)) + self.faulty;
            let finalize = count(Stage::finalize(block)) + self.faulty;
            let is_final = finalize >= self.quorum || self.fast.is_some_and(|(fast, _)| notarize >= fast);
            if is_final {
                certified.finals.push(block);
            }
            if is_final || notarize >= self.quorum {
                certified.blocks.push(block);
            }
            if stage.find_in(&stage.block(block).digest, view) == Some(block) {
                reports.push((Some(block), count(Stage::reported(block))));
            }
        }
        self.nullify(&reports, &mut certified);
        certified
    }

    /// Every choice of Nullify votes, with a lie of each kind or without.
    fn nullify(&self, reports: &[(Option<BlockId>, u32)], certified: &mut Certified) {
        let mut choices: Vec<Vec<u32>> = vec![Vec::new()];
        for (_, count) in reports {
            let longer = choices.iter().flat_map(|it| (0..=*count).map(move |take| [it.as_slice(), &[take]].concat()));
            choices = longer.collect();
        }
        let lies = (0..reports.len()).map(Some).filter(|_| self.faulty > 0);
        let lies: Vec<Option<usize>> = std::iter::once(None).chain(lies).collect();
        for choice in &choices {
            for lie in &lies {
                let mut taken = choice.clone();
                if let Some(lie) = lie {
                    taken[*lie] += 1;
                }
                let all: u32 = taken.iter().sum();
                if all >= self.nullify {
                    self.verdict(reports, &taken, all, certified);
                }
            }
        }
    }

    /// What a Nullification of so many votes of each report says.
    fn verdict(&self, reports: &[(Option<BlockId>, u32)], taken: &[u32], all: u32, certified: &mut Certified) {
        let enough = |taken: u32| self.fast.is_some_and(|(_, others)| taken + others >= all);
        let recovered = reports.iter().zip(taken).filter(|(_, taken)| enough(**taken));
        let recovered: Vec<BlockId> = recovered.filter_map(|((block, _), _)| *block).collect();
        certified.ambiguous |= recovered.len() > 1;
        certified.skip |= recovered.is_empty();
        certified.blocks.extend(recovered);
    }
}

fn name(stage: &Stage, block: BlockId) -> &str {
    &stage.block(block).name
}

/// A final block excludes every skip of its view, and every certificate of another block there.
fn conflict(stage: &Stage, view: u64, certified: &Certified) -> Option<String> {
    if certified.ambiguous {
        return Some(format!("view {view}: a nullification that recovers two blocks"));
    }
    let last = certified.finals.first()?;
    if certified.skip {
        return Some(format!("view {view} can be skipped, and {} is final in it", name(stage, *last)));
    }
    let other = certified.blocks.iter().find(|block| stage.origin(**block) != stage.origin(*last))?;
    Some(format!("view {view}: {} is final, and {} is certified", name(stage, *last), name(stage, *other)))
}

/// A block that an honest validator notarized in a view above that of a final block must stand on it.
fn beside(stage: &Stage, finals: &[BlockId], sent: &[Votes]) -> Option<String> {
    for block in stage.block_ids().filter(|block| is_sent(sent, Stage::notarize(*block))) {
        let is_above = |last: &BlockId| stage.block(*last).view < stage.block(block).view;
        let above = |last: &&BlockId| is_above(last) && !stage.stands_on(block, **last);
        if let Some(last) = finals.iter().find(above) {
            let (block, last) = (name(stage, block), name(stage, *last));
            return Some(format!(
                "an honest validator notarized {block}, which does not stand on {last}, which is final"
            ));
        }
    }
    None
}

fn is_sent(sent: &[Votes], number: u8) -> bool {
    sent.iter().any(|votes| votes >> number & 1 == 1)
}

/// One block ends an epoch, nothing but itself stands on it there, and nobody signs anything in the next epoch before it
/// is final (E2, E3).
fn ended(stage: &Stage, finals: &[BlockId], sent: &[Votes]) -> Option<String> {
    let ends = |block: &BlockId| stage.block(*block).block.header.ends_epoch();
    let last: Vec<BlockId> = finals.iter().copied().filter(ends).collect();
    if let Some(other) = last.iter().find(|block| stage.origin(**block) != stage.origin(last[0])) {
        return Some(format!("two blocks end the epoch: {} and {}", name(stage, last[0]), name(stage, *other)));
    }
    for block in stage.block_ids().filter(|block| is_sent(sent, Stage::notarize(*block))) {
        let made = stage.block(block);
        let below = made
            .parent
            .filter(|parent| ends(parent) && stage.at(stage.block(*parent).view).0 == made.block.header.epoch);
        if below.is_some() && !made.again {
            return Some(format!("an honest validator notarized {}, which stands on the end of its epoch", made.name));
        }
        let is_next = made.view > stage.first_views;
        if is_next && !last.first().is_some_and(|last| stage.stands_on(block, *last)) {
            return Some(format!("an honest validator notarized {} before the epoch below it ended", made.name));
        }
    }
    let of_next = (0..128u8).find(|number| is_sent(sent, *number) && stage.is_of_next(*number));
    let early = of_next.filter(|_| last.is_empty())?;
    Some(format!("an honest validator signed {} before the epoch ended", stage.words(1 << early)))
}
