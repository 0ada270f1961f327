//! Inputs close to another: what a machine without a fuzzer can try around every kept input. The same input has the same
//! neighbours everywhere.

/// Numbers at which things change.
const EDGES: [u8; 6] = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
/// Changes in one neighbour at most.
const CHANGES_MAX: u64 = 4;
/// Bytes that one change moves at most.
const PIECE_BYTES_MAX: u64 = 64;

/// So many neighbours of an input.
pub fn neighbours(input: &[u8], count: usize) -> impl Iterator<Item = Vec<u8>> {
    let start = input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let mut random = Random(start);
    (0..count).map(move |_| {
        let mut bytes = input.to_vec();
        (0..=random.below(CHANGES_MAX)).for_each(|_| change(&mut bytes, &mut random));
        bytes
    })
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    let from = random.place(bytes.len() + 1);
    let to = (from + random.place(usize::try_from(PIECE_BYTES_MAX).unwrap_or(1))).min(bytes.len());
    match random.below(9) {
        0 | 1 => {
            let bit = 1 << random.below(8);
            bytes.get_mut(from).into_iter().for_each(|byte| *byte ^= bit);
        }
        2 => {
            let edge = EDGES[random.place(EDGES.len())];
            bytes.get_mut(from).into_iter().for_each(|byte| *byte = edge);
        }
        3 => {
            let other = random.byte();
            bytes.get_mut(from).into_iter().for_each(|byte| *byte = other);
        }
        // A length prefix that claims much.
        4 => {
            let claim = [[0xff; 4], [0xff, 0xff, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]][random.place(4)];
            bytes.iter_mut().skip(from).zip(claim).for_each(|(byte, claimed)| *byte = claimed);
        }
        5 => drop(bytes.drain(from..to)),
        6 => {
            let piece = bytes[from..to].to_vec();
            let at = random.place(bytes.len() + 1);
            bytes.splice(at..at, piece);
        }
        7 => bytes.truncate(from),
        _ => {
            let piece: Vec<u8> = (from..to).map(|_| random.byte()).collect();
            bytes.splice(from..from, piece);
        }
    }
}
