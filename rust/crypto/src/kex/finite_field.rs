//! Ephemeral finite-field Diffie-Hellman of TLS 1.2 and before, in groups that have a name.
//!
//! A peer's parameters are compared with the groups of RFC 7919 and RFC 3526 of 2048 bits and more; nothing is computed
//! in a group that is not one of them. All of them have a safe prime of one form, so that the primes come out of the
//! digits of two constants:
//!
//! ```text
//! p = 2^b - 2^(b-64) + (floor(2^(b-130) * e) + X) * 2^64 - 1       RFC 7919 A; RFC 3526 has pi in place of e
//!     [ 64 ones | digits of e or pi, X - 1 added to their end | 64 ones ]
//! ```

use core::ptr::{null_mut, NonNull};

use aws_lc_sys as lc;
use zeroize::Zeroizing;

use super::SharedSecret;
use crate::ffi::{check, refuse};
use crate::{fill_random, CryptoError};

/// The first 8,064 bits of e.
const E: &str = "\
    adf85458a2bb4a9aafdc5620273d3cf1d8b9c583ce2d3695a9e13641146433fbcc939dce249b3ef97d2fe363630c75d8f681b202aec4617a\
    d3df1ed5d5fd65612433f51f5f066ed0856365553ded1af3b557135e7f57c935984f0c70e0e68b77e2a689daf3efe8721df158a136ade735\
    30acca4f483a797abc0ab182b324fb61d108a94bb2c8e3fbb96adab760d7f4681d4f42a3de394df4ae56ede76372bb190b07a7c8ee0a6d70\
    9e02fce1cdf7e2ecc03404cd28342f619172fe9ce98583ff8e4f1232eef28183c3fe3b1b4c6fad733bb5fcbc2ec22005c58ef1837d1683b2\
    c6f34a26c1b2effa886b4238611fcfdcde355b3b6519035bbc34f4def99c023861b46fc9d6e6c9077ad91d2691f7f7ee598cb0fac186d91c\
    aefe130985139270b4130c93bc437944f4fd4452e2d74dd364f2e21e71f54bff5cae82ab9c9df69ee86d2bc522363a0dabc521979b0deada\
    1dbf9a42d5c4484e0abcd06bfa53ddef3c1b20ee3fd59d7c25e41d2b669e1ef16e6f52c3164df4fb7930e9e4e58857b6ac7d5f42d69f6d18\
    7763cf1d5503400487f55ba57e31cc7a7135c886efb4318aed6a1e012d9e6832a907600a918130c46dc778f971ad0038092999a333cb8b7a\
    1a1db93d7140003c2a4ecea9f98d0acc0a8291cdcec97dcf8ec9b55a7f88a46b4db5a851f44182e1c68a007e5e0dd9020bfd64b645036c7a\
    4e677d2c38532a3a23ba4442caf53ea63bb454329b7624c8917bdd64b1c0fd4cb38e8c334c701c3acdad0657fccfec719b1f5c3e4e46041f\
    388147fb4cfdb477a52471f7a9a96910b855322edb6340d8a00ef092350511e30abec1fff9e3a26e7fb29f8c183023c3587e38da0077d9b4\
    763e4e4b94b2bbc194c6651e77caf992eeaac0232a281bf6b3a739c1226116820ae8db5847a67cbef9c9091b462d538cd72b03746ae77f5e\
    62292c311562a846505dc82db854338ae49f5235c95b91178ccf2dd5cacef403ec9d1810c6272b045b3b71f9dc6b80d63fdd4a8e9adb1e69\
    62a69526d43161c1a41d570d7938dad4a40e329ccff46aaa36ad004cf600c8381e425a31d951ae64fdb23fcec9509d43687feb69edd1cc5e\
    0b8cc3bdf64b10ef86b63142a3ab8829555b2f747c932665cb2c0f1cc01bd70229388839d2af05e454504ac78b7582822846c0ba35c35f5c\
    59160cc046fd8251541fc68c9c86b022bb7099876a460e7451a8a93109703fee1c217e6c3826e52c51aa691e0e423cfc99e9e31650c1217b\
    624816cdad9a95f9d5b8019488d9c0a0a1fe3075a577e23183f81d4a3f2fa4571efc8ce0ba8a4fe8b6855dfe72b0a66eded2fbabfbe58a30\
    fafabe1c5d71a87e2f741ef8c1fe86fea6bbfde530677f0d97d11d49f7a8443d0822e506a9f4614e011e2a94838ff88cd68c8bb7c51eef6d";
/// The first 8,064 bits of pi.
const PI: &str = "\
    c90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437\
    4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3d\
    c2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804\
    f1746c08ca18217c32905e462e36ce3be39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae5\
    15d2261898fa051015728e5a8aaac42dad33170d04507a33a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7\
    abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864d87602733ec86a64521f2b18177b200cbbe117577a615d6c\
    770988c0bad946e208e24fa074e5ab3143db5bfce0fd108e4b82d120a92108011a723c12a787e6d788719a10bdba5b2699c327186af4e23c\
    1a946834b6150bda2583e9ca2ad44ce8dbbbc2db04de8ef92e8efc141fbecaa6287c59474e6bc05d99b2964fa090c3a2233ba186515be7ed\
    1f612970cee2d7afb81bdd762170481cd0069127d5b05aa993b4ea988d8fddc186ffb7dc90a6c08f4df435c93402849236c3fab4d27c7026\
    c1d4dcb2602646dec9751e763dba37bdf8ff9406ad9e530ee5db382f413001aeb06a53ed9027d831179727b0865a8918da3edbebcf9b14ed\
    44ce6cbaced4bb1bdb7f1447e6cc254b332051512bd7af426fb8f401378cd2bf5983ca01c64b92ecf032ea15d1721d03f482d7ce6e74fef6\
    d55e702f46980c82b5a84031900b1c9e59e7c97fbec7e8f323a97a7e36cc88be0f1d45b7ff585ac54bd407b22b4154aacc8f6d7ebf48e1d8\
    14cc5ed20f8037e0a79715eef29be32806a1d58bb7c5da76f550aa3d8a1fbff0eb19ccb1a313d55cda56c9ec2ef29632387fe8d76e3c0468\
    043e8f663f4860ee12bf2d5b0b7474d6e694f91e6dbe115974a3926f12fee5e438777cb6a932df8cd8bec4d073b931ba3bc832b68d9dd300\
    741fa7bf8afc47ed2576f6936ba424663aab639c5ae4f5683423b4742bf1c978238f16cbe39d652de3fdb8befc848ad922222e04a4037c07\
    13eb57a81a23f0c73473fc646cea306b4bcbc8862f8385ddfa9d4b7fa2c087e879683303ed5bdd3a062b3cf5b3a278a66d2a13f83f44f82d\
    df310ee074ab6a364597e899a0255dc164f31cc50846851df9ab48195ded7ea1b1d510bd7ee74d73faf36bc31ecfa268359046f4eb879f92\
    4009438b481c6cd7889a002ed5ee382bc9190da6fc026e479558e4475677e9aa9e3050e2765694dfc81f56e880b96e7160c980dd98a573ea";
/// The generator of every group here.
const GENERATOR: u8 = 2;
/// Octets of ones at each end of a prime.
const ONES: usize = 8;

/// A group for `DheKey`, all of them with a safe prime.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DheGroup {
    /// The code of RFC 7919, or 0 for a group of RFC 3526.
    code: u16,
    name: &'static str,
    bits: usize,
    x: u32,
}

impl DheGroup {
    /// RFC 7919 appendix A, then RFC 3526 sections 3 to 7.
    pub const ALL: [Self; 10] = [
        Self { code: 0x0100, name: "ffdhe2048", bits: 2048, x: 560_316 },
        Self { code: 0x0101, name: "ffdhe3072", bits: 3072, x: 2_625_351 },
        Self { code: 0x0102, name: "ffdhe4096", bits: 4096, x: 5_736_041 },
        Self { code: 0x0103, name: "ffdhe6144", bits: 6144, x: 15_705_020 },
        Self { code: 0x0104, name: "ffdhe8192", bits: 8192, x: 10_965_728 },
        Self { code: 0, name: "modp2048", bits: 2048, x: 124_476 },
        Self { code: 0, name: "modp3072", bits: 3072, x: 1_690_314 },
        Self { code: 0, name: "modp4096", bits: 4096, x: 240_904 },
        Self { code: 0, name: "modp6144", bits: 6144, x: 929_484 },
        Self { code: 0, name: "modp8192", bits: 8192, x: 4_743_158 },
    ];

    /// A group of RFC 7919 by its code.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|group| code != 0 && group.code == code)
    }

    /// The group that has these parameters; leading zeros do not count.
    #[must_use]
    pub fn recognise(p: &[u8], g: &[u8]) -> Option<Self> {
        let (p, g) = (minimal(p), minimal(g));
        Self::ALL.into_iter().find(|group| g == [GENERATOR] && p.len() * 8 == group.bits && p == group.prime())
    }

    /// The code of RFC 7919, or 0.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.code
    }

    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Bits of the prime.
    #[must_use]
    pub const fn bits(self) -> usize {
        self.bits
    }

    /// The prime, most significant octet first.
    #[must_use]
    pub fn prime(self) -> Vec<u8> {
        let digits = if self.code == 0 { PI } else { E };
        let mut prime = vec![0xff; self.bits / 8];
        let middle = self.bits / 8 - 2 * ONES;
        for (octet, pair) in prime[ONES..].iter_mut().zip(digits.as_bytes().chunks_exact(2)).take(middle) {
            *octet = nibble(pair[0]) << 4 | nibble(pair[1]);
        }
        let mut carry = self.x - 1;
        for octet in prime[..ONES + middle].iter_mut().rev() {
            carry += u32::from(*octet);
            *octet = carry as u8;
            carry >>= 8;
        }
        prime
    }

    /// The generator.
    #[must_use]
    pub const fn generator(self) -> [u8; 1] {
        [GENERATOR]
    }

    /// Bits of a private exponent: twice the strength of the group, as RFC 7919 5.2 and appendix A have it.
    const fn exponent_bits(self) -> usize {
        match self.bits {
            2048 => 225,
            3072 => 275,
            4096 => 325,
            6144 => 375,
            _ => 400,
        }
    }
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit - b'a' + 10,
    }
}

/// Without leading zeros.
fn minimal(octets: &[u8]) -> &[u8] {
    let start = octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len());
    &octets[start..]
}

/// An ephemeral private key and its public value.
pub struct DheKey {
    field: Field,
    exponent: Bignum,
    public: Vec<u8>,
}

impl DheKey {
    /// A fresh key.
    pub fn generate(group: DheGroup) -> Result<Self, CryptoError> {
        let field = Field::new(group)?;
        let bits = group.exponent_bits();
        let mut octets = Zeroizing::new(vec![0; bits.div_ceil(8)]);
        fill_random(&mut octets);
        // Exactly so many bits, so that every exponent takes the same time.
        let top = (bits - 1) % 8;
        octets[0] = octets[0] & ((1 << top) - 1) | 1 << top;
        let exponent = Bignum::from_octets(&octets)?;
        let public = field.power(&Bignum::from_octets(&group.generator())?, &exponent)?;
        Ok(Self { public: public.to_vec(), field, exponent })
    }

    /// Its group.
    #[must_use]
    pub fn group(&self) -> DheGroup {
        self.field.group
    }

    /// What the peer gets: as many octets as the prime has.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The secret shared with the peer whose public value is `peer`; fails where that is not a valid one.
    pub fn agree(self, peer: &[u8]) -> Result<SharedSecret, CryptoError> {
        let peer = Bignum::from_octets(peer)?;
        // RFC 7919 5.1: "Peers MUST validate each other's public key Y (dh_Ys offered by the server or dh_Yc offered by the client) by ensuring
        // that 1 < Y < p-1."
        if !self.field.is_between(&peer) {
            return Err(CryptoError);
        }
        let shared = self.field.power(&peer, &self.exponent)?;
        // RFC 5246 8.1.2: "Leading bytes of Z that contain all zero bits are stripped before it is used as the pre_master_secret." Their number
        // shows in the time of the PRF (Raccoon); with a key that serves once it helps nobody.
        Ok(SharedSecret::from_octets(minimal(&shared)))
    }
}

/// Arithmetic modulo the prime of a group.
struct Field {
    group: DheGroup,
    prime: Bignum,
    last: Bignum,
    montgomery: NonNull<lc::BN_MONT_CTX>,
}

// SAFETY: the context is owned, and AWS-LC ties none to the thread that made it.
unsafe impl Send for Field {}

impl Field {
    fn new(group: DheGroup) -> Result<Self, CryptoError> {
        let prime = Bignum::from_octets(&group.prime())?;
        let last = Bignum::from_octets(&group.prime())?;
        let scratch = Scratch::new()?;
        // SAFETY: live numbers and a live context; null is checked.
        let montgomery = unsafe {
            check(lc::BN_sub_word(last.ptr(), 1))?;
            NonNull::new(lc::BN_MONT_CTX_new_for_modulus(prime.ptr(), scratch.0.as_ptr())).ok_or_else(refuse)?
        };
        Ok(Self { group, prime, last, montgomery })
    }

    /// 1 < y < p - 1.
    fn is_between(&self, y: &Bignum) -> bool {
        // SAFETY: live numbers.
        unsafe { lc::BN_cmp(y.ptr(), lc::BN_value_one()) > 0 && lc::BN_cmp(y.ptr(), self.last.ptr()) < 0 }
    }

    /// base^exponent mod p, as many octets as p has. In constant time; `base` is less than p.
    fn power(&self, base: &Bignum, exponent: &Bignum) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let (result, scratch) = (Bignum::new()?, Scratch::new()?);
        let mut octets = Zeroizing::new(vec![0; self.group.bits / 8]);
        // SAFETY: live numbers and contexts; the result is less than p, and `octets` has room for p.
        unsafe {
            check(lc::BN_mod_exp_mont_consttime(
                result.ptr(),
                base.ptr(),
                exponent.ptr(),
                self.prime.ptr(),
                scratch.0.as_ptr(),
                self.montgomery.as_ptr(),
            ))?;
            check(lc::BN_bn2bin_padded(octets.as_mut_ptr(), octets.len(), result.ptr()))?;
        }
        Ok(octets)
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        // SAFETY: owned, and freed once.
        unsafe { lc::BN_MONT_CTX_free(self.montgomery.as_ptr()) };
    }
}

/// A number of the library; wiped when it is freed.
struct Bignum(NonNull<lc::BIGNUM>);

// SAFETY: the number is owned, and AWS-LC ties none to the thread that made it.
unsafe impl Send for Bignum {}

impl Bignum {
    fn new() -> Result<Self, CryptoError> {
        // SAFETY: takes nothing; null is checked.
        NonNull::new(unsafe { lc::BN_new() }).map(Self).ok_or_else(refuse)
    }

    fn from_octets(octets: &[u8]) -> Result<Self, CryptoError> {
        // SAFETY: the pointer is readable for the length; a new number is made, and null is checked.
        NonNull::new(unsafe { lc::BN_bin2bn(octets.as_ptr(), octets.len(), null_mut()) }).map(Self).ok_or_else(refuse)
    }

    fn ptr(&self) -> *mut lc::BIGNUM {
        self.0.as_ptr()
    }
}

impl Drop for Bignum {
    fn drop(&mut self) {
        // SAFETY: owned, and freed once.
        unsafe { lc::BN_clear_free(self.0.as_ptr()) };
    }
}

/// Memory for intermediate results.
struct Scratch(NonNull<lc::BN_CTX>);

impl Scratch {
    fn new() -> Result<Self, CryptoError> {
        // SAFETY: takes nothing; null is checked.
        NonNull::new(unsafe { lc::BN_CTX_new() }).map(Self).ok_or_else(refuse)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: owned, and freed once.
        unsafe { lc::BN_CTX_free(self.0.as_ptr()) };
    }
}
