//! `tlscore._core`: the Rust half of tlscore as a Python module.
//!
//! Glue only: argument buffers, locks, release of the interpreter, descriptors, exceptions, the fork guard. What a record is and when it
//! may stand where is decided in `tlscore-core`; what a cipher is, in `tlscore-crypto`.

mod buffers;
mod descriptor;
mod facts;
mod fork;
mod key_log;
mod key_share;
mod layer;
mod layer_descriptor;
mod layer_event_loop;
mod layer_handshake;
mod layer_io;
mod legacy_share;
mod schedule;
mod seal_box;
mod tls12;
mod transcript;

use pyo3::prelude::*;

/// The module `tlscore._core`.
#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    fork::watch();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("SUITES", facts::suites())?;
    module.add("SUITES12", facts::suites12(module.py())?)?;
    module.add("SUITES_LEGACY", facts::suites_legacy(module.py())?)?;
    module.add_class::<layer::RecordLayer>()?;
    module.add_class::<transcript::Transcript>()?;
    module.add_class::<key_share::KeyShare>()?;
    module.add_class::<key_share::SharedSecret>()?;
    module.add_class::<legacy_share::DheShare>()?;
    module.add_class::<legacy_share::RsaDecryptor>()?;
    module.add_class::<key_log::KeyLog>()?;
    module.add_class::<schedule::Psk>()?;
    module.add_class::<schedule::EarlySchedule>()?;
    module.add_class::<schedule::HandshakeSchedule>()?;
    module.add_class::<schedule::ApplicationSchedule>()?;
    module.add_class::<tls12::MainSecret12>()?;
    module.add_class::<seal_box::CookieKey>()?;
    module.add_function(wrap_pyfunction!(schedule::post_handshake_finished_mac, module)?)?;
    module.add_function(wrap_pyfunction!(key_share::supported_groups, module)?)?;
    module.add_function(wrap_pyfunction!(legacy_share::dhe_group, module)?)?;
    module.add_function(wrap_pyfunction!(facts::build_facts, module)?)?;
    module.add_function(wrap_pyfunction!(facts::aead_limit, module)?)?;
    module.add_function(wrap_pyfunction!(facts::random_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(facts::constant_time_equal, module)?)?;
    module.add_function(wrap_pyfunction!(fork::fork_generation, module)?)?;
    Ok(())
}
