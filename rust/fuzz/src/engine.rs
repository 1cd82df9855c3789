//! Fuzzing without coverage: inputs of the corpus, changed at random from a seed that is printed.
//!
//! It runs anywhere a test runs. A failure names the seed and the input, so that it can be repeated by both.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::{Duration, Instant};

use crate::{corpus, Target};

/// Own limit: no input may take longer; the slowest honest ones take a hundredth of it.
const LONGEST: Duration = Duration::from_secs(1);
const MOST_OCTETS: usize = 8192;
const EDGES: [u8; 10] = [0, 1, 2, 3, 20, 22, 23, 0x7f, 0x80, 0xff];

/// xorshift64*: enough for choosing, and the same everywhere.
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`; 0 where there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound.max(1)
    }
}

/// When to stop.
pub enum Until {
    /// After so many executions.
    Executions(u64),
    /// At this time.
    Time(Instant),
}

/// Run a target on its corpus, and then on changed inputs; gives the number of executions.
///
/// Panics with the input where the target does, or where it takes longer than a second.
#[must_use]
pub fn run(name: &str, target: Target, seed: u64, until: &Until) -> u64 {
    let known = corpus::load(name);
    for input in &known {
        once(name, target, seed, input);
    }
    let (mut random, mut executions) = (Random::new(seed), known.len() as u64);
    loop {
        let over = match until {
            Until::Executions(most) => executions >= *most,
            Until::Time(end) => Instant::now() >= *end,
        };
        if over {
            return executions;
        }
        let input = changed(&known, &mut random);
        once(name, target, seed, &input);
        executions += 1;
    }
}

fn once(name: &str, target: Target, seed: u64, input: &[u8]) {
    let begin = Instant::now();
    let failed = catch_unwind(AssertUnwindSafe(|| target(input))).is_err();
    let took = begin.elapsed();
    let input = corpus::encode(input);
    assert!(!failed, "{name} failed; seed {seed}; input {input}");
    assert!(took < LONGEST, "{name} took {took:?}; seed {seed}; input {input}");
}

/// One of the inputs with up to eight changes.
pub fn changed(known: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = known[random.below(known.len())].clone();
    for _ in 0..=random.below(8) {
        let (at, length) = (random.below(input.len() + 1), random.below(33));
        let end = (at + length).min(input.len());
        match random.below(7) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = EDGES[random.below(EDGES.len())],
            2 => drop(input.drain(at..end)),
            3 => {
                let fresh: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
                input.splice(at..at, fresh);
            }
            4 => {
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
            5 => {
                let other = &known[random.below(known.len())];
                let from = random.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ if at < input.len() => input[at] = random.below(256) as u8,
            _ => {}
        }
    }
    input.truncate(MOST_OCTETS);
    input
}
