//! What must hold of all votes that were signed, by counting them. Nothing of the code that is explored is used here:
//! the numbers are those of section 2 of the specification, and certificates are counted, not made.

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
        broken = broken.or_else(|| beside(stage, &finals, sent));
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
            reports.push((Some(block), count(Stage::reported(block))));
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
    let other = certified.blocks.iter().find(|block| *block != last)?;
    Some(format!("view {view}: {} is final, and {} is certified", name(stage, *last), name(stage, *other)))
}

/// A block that an honest validator notarized in a view above that of a final block must stand on it.
fn beside(stage: &Stage, finals: &[BlockId], sent: &[Votes]) -> Option<String> {
    let notarized = |block: &BlockId| sent.iter().any(|votes| votes >> Stage::notarize(*block) & 1 == 1);
    for block in stage.block_ids().filter(notarized) {
        let path = stage.path(block);
        let above = |last: &&BlockId| stage.block(**last).view < stage.block(block).view && path >> **last & 1 == 0;
        if let Some(last) = finals.iter().find(above) {
            let (block, last) = (name(stage, block), name(stage, *last));
            return Some(format!(
                "an honest validator notarized {block}, which does not stand on {last}, which is final"
            ));
        }
    }
    None
}
