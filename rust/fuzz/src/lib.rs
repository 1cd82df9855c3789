//! Fuzz targets: functions that take any octets and panic where something is not as it must be.
//!
//! Each looks for more than crashes: what was read must be what was sent, however the wire was cut into pieces and whatever
//! room the reader had. `engine` runs them without coverage (tests, `blind`), libFuzzer with it (`guided`). The corpora are
//! text files with one input a line, in hexadecimal: what libFuzzer found, beginning with the inputs of `seeds`.

pub mod corpus;
pub mod engine;
pub mod halves;
pub mod input;
pub mod targets;

/// What a target is: octets in, a panic where an invariant does not hold.
pub type Target = fn(&[u8]);

/// Every target, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("deframer", targets::deframer),
    ("joiner", targets::joiner),
    ("protection", targets::protection),
    ("read_half", targets::read_half),
    ("tampered_wire", targets::tampered_wire),
    ("conversation", targets::conversation),
    ("key_share", targets::key_share),
];

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}
