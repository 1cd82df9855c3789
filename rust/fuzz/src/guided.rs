//! The targets under libFuzzer, which coverage guides; TLSCORE_FUZZ_TARGET in the environment names the one to run.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tlscore_fuzz::{target, Target};

fn chosen() -> Target {
    static CHOSEN: OnceLock<Target> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = std::env::var("TLSCORE_FUZZ_TARGET").unwrap_or_default();
        target(&name).unwrap_or_else(|| panic!("TLSCORE_FUZZ_TARGET is {name:?}, which is no target"))
    })
}

fuzz_target!(|octets: &[u8]| chosen()(octets));
