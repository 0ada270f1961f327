//! Choices read from bytes: how a fuzzer's input steers a harness. An input that ends answers zero to everything.

/// The rest of an input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    /// The choices in these bytes.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    pub(crate) const fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything that is left.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next byte.
    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// Whether the next byte is odd.
    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// The next two bytes as a number, the lower first.
    pub(crate) fn short(&mut self) -> u16 {
        u16::from(self.byte()) | u16::from(self.byte()) << 8
    }

    /// The next eight bytes as a number, the lowest first.
    pub(crate) fn long(&mut self) -> u64 {
        (0..8).fold(0, |number, place| number | u64::from(self.byte()) << (8 * place))
    }

    /// The next bytes, fewer if fewer are left.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// One of the items, of which there is at least one.
    pub(crate) fn pick<'b, T>(&mut self, items: &'b [T]) -> &'b T {
        &items[self.below(items.len())]
    }

    /// A number near another, or an extreme one.
    pub(crate) fn near(&mut self, middle: u64) -> u64 {
        match self.byte() {
            byte @ 0..=229 => middle.saturating_add(u64::from(byte % 10)).saturating_sub(4),
            230..=233 => 0,
            234..=237 => u64::MAX,
            238..=239 => u64::MAX - 1,
            240..=243 => middle.saturating_add(256),
            244..=247 => middle.saturating_add(257),
            248..=251 => middle.saturating_add(u64::from(self.short())),
            _ => self.long(),
        }
    }
}

/// The byte that [`Script::near`] reads as `middle`.
pub(crate) const NEAR_SAME: u8 = 4;
