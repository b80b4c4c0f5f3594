//! How many distinct things were seen, in a kibibyte: exact for few, then estimated
//! (HyperLogLog, Flajolet et al. 2007, with linear counting where registers are still empty).

use std::hash::Hasher;

/// Things that are counted exactly: as many as take what the registers take.
const EXACT: usize = 128;
/// Registers, 2 to the power of [`BITS`]: a standard error of 3.3 %.
const REGISTERS: usize = 1 << BITS;
const BITS: u32 = 10;
/// The longest run of zeros that the rest of a hash can begin with, and one.
const MAX_RUN: u32 = 64 - BITS + 1;

/// Distinct hashes, counted. Merging is associative and commutative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sketch {
    /// All hashes, in order, each once.
    Few(Vec<u64>),
    /// The longest run of zeros, and one, of the hashes of each register.
    Many(Box<[u8; REGISTERS]>),
}

impl Default for Sketch {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Sketch {
    /// Counts a thing by its hash; nothing where it was counted before.
    pub fn insert(&mut self, hash: u64) {
        match self {
            Self::Few(hashes) => {
                let Err(place) = hashes.binary_search(&hash) else {
                    return;
                };
                hashes.insert(place, hash);
                if hashes.len() > EXACT {
                    let mut registers = Box::new([0; REGISTERS]);
                    hashes.iter().for_each(|hash| note(&mut registers, *hash));
                    *self = Self::Many(registers);
                }
            }
            Self::Many(registers) => note(registers, hash),
        }
    }

    /// Counts what another one counted.
    pub fn merge(&mut self, other: &Self) {
        match other {
            Self::Few(hashes) => hashes.iter().for_each(|hash| self.insert(*hash)),
            Self::Many(theirs) => {
                let mut registers = theirs.clone();
                match self {
                    Self::Few(hashes) => {
                        hashes.iter().for_each(|hash| note(&mut registers, *hash));
                    }
                    Self::Many(ours) => {
                        for (one, other) in registers.iter_mut().zip(ours.iter()) {
                            *one = (*one).max(*other);
                        }
                    }
                }
                *self = Self::Many(registers);
            }
        }
    }

    /// The sketch that kept these hashes; `None` where it keeps none like that: they must rise.
    pub fn of_hashes(hashes: Vec<u64>) -> Option<Self> {
        let rises = hashes.windows(2).all(|pair| pair[0] < pair[1]);
        (rises && (1..=EXACT).contains(&hashes.len())).then_some(Self::Few(hashes))
    }

    /// The sketch of these registers; `None` where no hashes give them.
    pub fn of_registers(registers: &[u8]) -> Option<Self> {
        let registers: &[u8; REGISTERS] = registers.try_into().ok()?;
        let possible = registers.iter().all(|run| u32::from(*run) <= MAX_RUN);
        possible.then(|| Self::Many(Box::new(*registers)))
    }

    /// The fewest things of which it can be.
    pub fn at_least(&self) -> u64 {
        match self {
            Self::Few(hashes) => hashes.len() as u64,
            Self::Many(registers) => {
                let used = registers.iter().filter(|run| **run > 0).count();
                used.max(EXACT + 1) as u64
            }
        }
    }

    /// How many distinct hashes there were, exact up to 128.
    pub fn count(&self) -> u64 {
        let registers = match self {
            Self::Few(hashes) => return hashes.len() as u64,
            Self::Many(registers) => registers,
        };
        let size = REGISTERS as f64;
        let sum: f64 = registers.iter().map(|run| (-f64::from(*run)).exp2()).sum();
        let estimate = 0.7213 / (1.0 + 1.079 / size) * size * size / sum;
        let empty = registers.iter().filter(|run| **run == 0).count();
        let estimate = if estimate <= 2.5 * size && empty > 0 {
            size * (size / empty as f64).ln()
        } else {
            estimate
        };
        // More than were counted exactly, whatever the estimate says.
        (estimate.round() as u64).max(EXACT as u64 + 1)
    }
}

fn note(registers: &mut [u8; REGISTERS], hash: u64) {
    let register = (hash >> (64 - BITS)) as usize;
    let run = (hash << BITS).leading_zeros().min(MAX_RUN - 1) + 1;
    registers[register] = registers[register].max(run as u8);
}

/// A hash that is the same in every process, so that sketches of all of them merge: `SplitMix64`
/// over the words. Who chooses what is counted may make the estimate wrong, and nothing else.
#[derive(Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    // As wide on every machine.
    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }

    fn write_u64(&mut self, word: u64) {
        let mut mixed = (self.0 ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = mixed ^ (mixed >> 31);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: std::ops::Range<u64>) -> Sketch {
        let mut sketch = Sketch::default();
        for number in numbers {
            let mut hash = Mix::default();
            hash.write_u64(number);
            sketch.insert(hash.finish());
        }
        sketch
    }

    #[test]
    fn few_are_exact_and_many_are_near() {
        for count in [0, 1, 128] {
            assert_eq!(of(0..count).count(), count);
        }
        for count in [129, 1_000, 5_000, 100_000] {
            let off = of(0..count).count().abs_diff(count);
            assert!(off * 10 <= count, "{count}: off by {off}");
        }
    }

    #[test]
    fn what_was_kept_is_taken_back_and_nothing_else() {
        for count in [1, 128, 129, 5_000] {
            let sketch = of(0..count);
            let back = match &sketch {
                Sketch::Few(hashes) => Sketch::of_hashes(hashes.clone()),
                Sketch::Many(registers) => Sketch::of_registers(&registers[..]),
            };
            assert!((1..=count).contains(&sketch.at_least()));
            assert_eq!(back, Some(sketch));
        }
        let rising: Vec<u64> = (0..129).collect();
        for wrong in [&[][..], &[1, 1], &[2, 1], &rising] {
            assert_eq!(Sketch::of_hashes(wrong.to_vec()), None);
        }
        assert_eq!(Sketch::of_registers(&[0; REGISTERS - 1]), None);
        assert_eq!(Sketch::of_registers(&[56; REGISTERS]), None);
    }

    #[test]
    fn merging_is_counting_together() {
        for (one, other) in [(50, 50), (50, 5_000), (5_000, 50), (5_000, 5_000)] {
            let (left, right) = (of(0..one), of(one / 2..other));
            let mut merged = left.clone();
            merged.merge(&right);
            let mut turned = right;
            turned.merge(&left);
            assert_eq!(merged, turned);
            assert_eq!(merged, of(0..one.max(other)));
        }
    }
}
