//! Chosen private keys and chosen randomness, for test vectors, and what valgrind is told about secrets. Not part of any build that ships.

use core::ffi::c_int;
use core::ptr::null_mut;

use aws_lc_sys as lc;

use crate::ffi::check;
use crate::{CryptoError, Group, KeyShare};

// Exported by AWS-LC, but not in the part of its API that aws-lc-sys binds by default. The prefix carries the version
// of aws-lc-sys: after an update the tests do not link until it is changed here too.
extern "C" {
    #[link_name = "aws_lc_0_47_0_EVP_PKEY_keygen_deterministic"]
    fn keygen_deterministic(
        context: *mut lc::EVP_PKEY_CTX,
        out: *mut *mut lc::EVP_PKEY,
        seed: *const u8,
        seed_len: *mut usize,
    ) -> c_int;
    #[link_name = "aws_lc_0_47_0_EVP_PKEY_encapsulate_deterministic"]
    fn encapsulate_deterministic(
        context: *mut lc::EVP_PKEY_CTX,
        ciphertext: *mut u8,
        ciphertext_len: *mut usize,
        secret: *mut u8,
        secret_len: *mut usize,
        seed: *const u8,
        seed_len: *mut usize,
    ) -> c_int;
}

/// Tell valgrind that memory holds a secret from here on: each branch and each address that depends on it is reported.
pub fn classify(octets: &mut [u8]) {
    request(MAKE_UNDEFINED, octets.as_mut_ptr().cast(), octets.len());
    core::hint::black_box(octets);
}

/// A value that everybody may know from here on.
pub(crate) fn declassify<T: Copy>(mut value: T) -> T {
    request(MAKE_DEFINED, core::ptr::from_mut(&mut value).cast(), size_of::<T>());
    core::hint::black_box(value)
}

/// Memcheck's requests to take memory for undefined and for defined.
const MAKE_UNDEFINED: usize = (b'M' as usize) << 24 | (b'C' as usize) << 16 | 1;
const MAKE_DEFINED: usize = MAKE_UNDEFINED + 1;

/// A request to valgrind; outside of it, nothing.
///
/// The instructions rotate a register by 128 bits in all, which changes nothing; valgrind knows the pattern, and reads its arguments where
/// rax points to.
#[cfg(target_arch = "x86_64")]
fn request(code: usize, address: *mut u8, octets: usize) {
    let arguments = [code, address as usize, octets, 0, 0, 0];
    // SAFETY: the registers that change are named; the arguments outlive the request, which reads them and the shadow of the memory.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inout("rdx") 0_usize => _,
        );
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn request(_code: usize, _address: *mut u8, _octets: usize) {}

/// A key share with a chosen private key: the scalar of the curve, and the expanded decapsulation key of the KEM.
pub fn key_share(group: Group, curve: &[u8], kem: &[u8]) -> Result<KeyShare, CryptoError> {
    KeyShare::from_private(group, curve, kem)
}

/// ML-KEM key generation from a seed (d and z): (encapsulation key, expanded decapsulation key).
pub fn mlkem_keygen(group: Group, seed: &[u8]) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
    let (nid, public_len, private_len) = parameters(group)?;
    let mut seed_len = seed.len();
    let mut pkey = null_mut();
    let mut public = vec![0; public_len];
    let mut private = vec![0; private_len];
    let (mut public_size, mut private_size) = (public_len, private_len);
    // SAFETY: every pointer is valid for the length beside it; contexts are freed once.
    unsafe {
        let context = lc::EVP_PKEY_CTX_new_id(lc::EVP_PKEY_KEM, null_mut());
        let made = check(lc::EVP_PKEY_CTX_kem_set_params(context, nid))
            .and_then(|()| check(lc::EVP_PKEY_keygen_init(context)))
            .and_then(|()| check(keygen_deterministic(context, &mut pkey, seed.as_ptr(), &mut seed_len)))
            .and_then(|()| check(lc::EVP_PKEY_get_raw_public_key(pkey, public.as_mut_ptr(), &mut public_size)))
            .and_then(|()| check(lc::EVP_PKEY_get_raw_private_key(pkey, private.as_mut_ptr(), &mut private_size)));
        lc::EVP_PKEY_free(pkey);
        lc::EVP_PKEY_CTX_free(context);
        made?;
    }
    Ok((public, private))
}

/// ML-KEM encapsulation with chosen randomness: (ciphertext, secret).
pub fn mlkem_encapsulate(group: Group, key: &[u8], seed: &[u8]) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
    let (nid, _, _) = parameters(group)?;
    let mut ciphertext = vec![0; group.server_share_len()];
    let mut secret = vec![0; 32];
    let (mut ciphertext_len, mut secret_len, mut seed_len) = (ciphertext.len(), secret.len(), seed.len());
    // SAFETY: every pointer is valid for the length beside it; key and context are freed once.
    unsafe {
        let pkey = lc::EVP_PKEY_kem_new_raw_public_key(nid, key.as_ptr(), key.len());
        if pkey.is_null() {
            return Err(crate::ffi::refuse());
        }
        let context = lc::EVP_PKEY_CTX_new(pkey, null_mut());
        let made = check(encapsulate_deterministic(
            context,
            ciphertext.as_mut_ptr(),
            &mut ciphertext_len,
            secret.as_mut_ptr(),
            &mut secret_len,
            seed.as_ptr(),
            &mut seed_len,
        ));
        lc::EVP_PKEY_CTX_free(context);
        lc::EVP_PKEY_free(pkey);
        made?;
    }
    Ok((ciphertext, secret))
}

fn parameters(group: Group) -> Result<(i32, usize, usize), CryptoError> {
    match group {
        Group::MlKem768 => Ok((lc::NID_MLKEM768, 1184, 2400)),
        Group::MlKem1024 => Ok((lc::NID_MLKEM1024, 1568, 3168)),
        _ => Err(CryptoError),
    }
}
