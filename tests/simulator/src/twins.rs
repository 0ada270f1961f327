//! Twins: one validator runs as two instances with one key, under enumerated partitions, views and leaders.
//!
//! Each instance follows the rules by itself; together they sign what no honest validator signs. A case fixes who has a
//! twin, and for a few rounds which instances can reach each other. Leaders follow from the protocol, so that a case
//! chooses them by choosing whose twin it is. After the rounds everything is mended, the twins fall silent, and the
//! honest must make progress. (Bano et al., "Twins: BFT Systems Made Robust", OPODIS 2021.)

use crate::byzantine::Strategy;
use crate::options::{Actor, Options};

/// Rounds of a case.
const ROUNDS: u32 = 4;
/// How long a round may last, in milliseconds: less than a view's timers, about as long, and several views.
const ROUND_MS: [u64; 3] = [150, 700, 1_600];
/// Sizes of the networks.
const SIZES: [u16; 4] = [4, 4, 5, 7];
/// Coprime to the number of cases of every size, so that the first cases of any number are distinct and spread out.
const STRIDE: u64 = 2_654_435_761;

/// Which instances reach each other, one round after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// How long a round lasts.
    pub(crate) round_ms: u64,
    /// For each round a bit for each instance: instances with the same bit reach each other. The twins of the first,
    /// second and so on validator with a twin come after all validators.
    pub(crate) sides: Vec<u32>,
}

/// A case by its number. Numbers below `cases` of a size are different cases.
pub fn case(number: u64) -> Options {
    let validators = SIZES[(number % 4) as usize];
    let faulty = (validators - 1) / 3;
    let instances = u32::from(validators + faulty);
    let sides = 1 << (instances - 1);
    // Its place among those of its size.
    let place = if validators == 4 { number / 4 * 2 + number % 4 } else { number / 4 };
    let mut rest = place.wrapping_mul(STRIDE) % cases(validators);
    let mut draw = |bound: u64| {
        let drawn = rest % bound;
        rest /= bound;
        drawn
    };
    let first = draw(u64::from(validators)) as u16;
    let fast_path = draw(2) == 1;
    let round_ms = ROUND_MS[draw(3) as usize];
    let script = Script { round_ms, sides: (0..ROUNDS).map(|_| draw(sides) as u32).collect() };
    let mut actors: Vec<Actor> = (0..faulty)
        .map(|of| Actor { index: (first + of) % validators, strategy: Strategy::Twin, has_twin: true })
        .collect();
    actors.sort_by_key(|actor| actor.index);
    Options {
        fast_path,
        actors,
        faults_ms: round_ms * u64::from(ROUNDS),
        script: Some(script),
        partition_noticed: !number.is_multiple_of(3),
        streams: number.is_multiple_of(2),
        delay_us: (500, 20_000),
        submit_every_ms: 20,
        ..Options::calm(number, validators)
    }
}

/// How many cases there are with so many validators.
fn cases(validators: u16) -> u64 {
    let faulty = (validators - 1) / 3;
    let sides: u64 = 1 << (validators + faulty - 1);
    u64::from(validators) * 2 * 3 * sides.pow(ROUNDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_first_cases_are_distinct_and_use_every_validator_and_both_paths() {
        let options: Vec<Options> = (0..2_000).map(case).collect();
        let distinct: BTreeSet<String> =
            options.iter().map(|it| format!("{:?}", Options { seed: 0, ..it.clone() })).collect();
        assert_eq!(distinct.len(), options.len());
        for validators in [4, 5, 7] {
            let of_size = || options.iter().filter(move |it| it.validators == validators);
            let twins: BTreeSet<u16> = of_size().flat_map(Options::twins).collect();
            assert_eq!(twins.len(), usize::from(validators));
            assert!(of_size().any(|it| it.fast_path) && of_size().any(|it| !it.fast_path));
        }
    }
}
