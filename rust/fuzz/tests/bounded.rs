//! Every target for a bounded number of executions: TLSCORE_FUZZ_EXECUTIONS, and TLSCORE_FUZZ_SEED to repeat a run.

use std::time::SystemTime;

use tlscore_fuzz::engine::{run, Until};
use tlscore_fuzz::{corpus, target, TARGETS};

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

fn fuzz(name: &str) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_micros() as u64;
    let seed = number("TLSCORE_FUZZ_SEED").unwrap_or(now);
    let executions = number("TLSCORE_FUZZ_EXECUTIONS").unwrap_or(1500);
    println!("{name}: seed {seed}, {executions} executions");
    let ran = run(name, target(name).expect("a target"), seed, &Until::Executions(executions));
    assert!(ran >= executions);
}

#[test]
fn deframer() {
    fuzz("deframer");
}

#[test]
fn joiner() {
    fuzz("joiner");
}

#[test]
fn protection() {
    fuzz("protection");
}

#[test]
fn read_half() {
    fuzz("read_half");
}

#[test]
fn tampered_wire() {
    fuzz("tampered_wire");
}

#[test]
fn conversation() {
    fuzz("conversation");
}

#[test]
fn key_share() {
    fuzz("key_share");
}

#[test]
fn every_target_has_a_test_and_a_corpus() {
    let tests = include_str!("bounded.rs");
    for (name, _) in TARGETS {
        assert!(tests.contains(&format!("fn {name}()")), "no test of {name}");
        let inputs = corpus::load(name);
        assert!(corpus::file(name).exists() && inputs.len() > 3, "no corpus of {name}");
        for input in inputs {
            assert_eq!(corpus::decode(&corpus::encode(&input)), input);
        }
    }
}

#[test]
#[should_panic(expected = "joiner failed; seed 7; input ")]
fn a_failure_names_seed_and_input() {
    fn never(_: &[u8]) {
        panic!("on purpose");
    }
    let _ = run("joiner", never, 7, &Until::Executions(1));
}
