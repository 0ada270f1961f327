//! Numbers that follow from a seed: which packets are lost, and which misfortune comes next. What the machine makes of
//! them in real time does not follow from it.

use std::time::Duration;

/// A generator of numbers: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The generator with this seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(crate) const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound, which is not 0.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// Whether something happens that happens in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: u8) -> bool {
        percent > 0 && self.below(100) < u64::from(percent)
    }

    /// A time from none to so long, in microseconds.
    pub(crate) fn up_to(&mut self, longest: Duration) -> Duration {
        let micros = u64::try_from(longest.as_micros()).expect("less than many years");
        Duration::from_micros(self.below(micros + 1))
    }

    /// So many of the first places, in no order.
    pub(crate) fn some(&mut self, count: usize, places: usize) -> Vec<usize> {
        let mut left: Vec<usize> = (0..places).collect();
        let mut draw = || left.swap_remove(usize::try_from(self.below(left.len() as u64)).expect("small"));
        (0..count).map(|_| draw()).collect()
    }
}
