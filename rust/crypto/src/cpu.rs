//! Which provider seals and opens records on this CPU: decided once per process.
//!
//! AWS-LC has the fastest AES-GCM where the CPU has VAES and AVX-512, and falls back to 128-bit AES-NI where AVX-512 is
//! missing; ring has an AVX2 path for just these CPUs (Zen 3, Alder Lake and later).

use std::sync::OnceLock;

use crate::{AeadAlgorithm, Provider};

/// What a build for another architecture never finds stays in the list.
#[cfg_attr(not(any(target_arch = "x86", target_arch = "x86_64")), allow(dead_code))]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Avx512,
    Avx2,
    AesNi,
    None,
}

/// What the CPU has for AES-GCM: "VAES AVX-512", "VAES AVX2", "AES-NI" (or "AES" on other architectures), or "none".
pub fn cpu_features() -> &'static str {
    match class() {
        Class::Avx512 => "VAES AVX-512",
        Class::Avx2 => "VAES AVX2",
        Class::AesNi if cfg!(any(target_arch = "x86", target_arch = "x86_64")) => "AES-NI",
        Class::AesNi => "AES",
        Class::None => "none",
    }
}

/// The fastest provider of `algorithm` on this CPU.
pub fn provider_for(algorithm: AeadAlgorithm) -> Provider {
    match algorithm {
        AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm if class() == Class::Avx2 => Provider::Ring,
        _ => Provider::AwsLc,
    }
}

fn class() -> Class {
    static CLASS: OnceLock<Class> = OnceLock::new();
    *CLASS.get_or_init(detect)
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn detect() -> Class {
    let vaes = std::is_x86_feature_detected!("vaes") && std::is_x86_feature_detected!("vpclmulqdq");
    // The set that AWS-LC asks for before it takes its AVX-512 path.
    let avx512 = std::is_x86_feature_detected!("avx512f")
        && std::is_x86_feature_detected!("avx512dq")
        && std::is_x86_feature_detected!("avx512bw")
        && std::is_x86_feature_detected!("avx512vl");
    // AWS-LC leaves its AVX-512 path out on Windows and on 32-bit.
    let assembled = cfg!(all(target_arch = "x86_64", not(windows)));
    match () {
        () if vaes && avx512 && assembled => Class::Avx512,
        () if vaes && std::is_x86_feature_detected!("avx2") && cfg!(target_arch = "x86_64") => Class::Avx2,
        () if std::is_x86_feature_detected!("aes") => Class::AesNi,
        () => Class::None,
    }
}

#[cfg(target_arch = "aarch64")]
fn detect() -> Class {
    if std::arch::is_aarch64_feature_detected!("aes") {
        Class::AesNi
    } else {
        Class::None
    }
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn detect() -> Class {
    Class::None
}
