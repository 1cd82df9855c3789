//! Records of before AEADs, and the key exchanges that go with them. Known answers come from the Python tests, which have a second
//! implementation; here: all lengths, what is refused, and what is left behind.

mod common;

use std::mem::MaybeUninit;

use common::TestData;
use tlscore_crypto::{
    rsa_premaster, select_premaster, Buffer, BulkCipher, CryptoError, DheGroup, DheKey, LegacyKeys, LegacyOpener,
    LegacyParameters, LegacySealer, MacAlgorithm, RsaDecryptor, PREMASTER,
};

/// Sequence number, type, version.
fn header(parameters: LegacyParameters) -> [u8; 11] {
    [0, 0, 0, 0, 0, 0, 0, 7, 23, 3, if parameters.implicit_iv { 1 } else { 3 }]
}

fn all_parameters() -> Vec<LegacyParameters> {
    let mut all = Vec::new();
    for cipher in [BulkCipher::Null, BulkCipher::Aes128Cbc, BulkCipher::Aes256Cbc] {
        for mac in [MacAlgorithm::Sha1, MacAlgorithm::Sha256, MacAlgorithm::Sha384] {
            for (implicit_iv, encrypt_then_mac) in [(false, false), (false, true), (true, false), (true, true)] {
                let parameters = LegacyParameters { cipher, mac, implicit_iv, encrypt_then_mac };
                if cipher != BulkCipher::Null || !encrypt_then_mac {
                    all.push(parameters);
                }
            }
        }
    }
    all
}

fn pair(parameters: LegacyParameters, data: &mut TestData) -> (LegacySealer, LegacyOpener) {
    let chained = parameters.implicit_iv && parameters.cipher != BulkCipher::Null;
    let mac = data.octets(parameters.mac.output_len());
    let (cipher, iv) = (data.octets(parameters.cipher.key_len()), data.octets(if chained { 16 } else { 0 }));
    let keys = LegacyKeys { mac: &mac, cipher: &cipher, iv: &iv };
    let sealer = LegacySealer::new(parameters, &keys).expect("keys that fit");
    (sealer, LegacyOpener::new(parameters, &keys).expect("keys that fit"))
}

fn seal(sealer: &mut LegacySealer, content: &[u8]) -> Vec<u8> {
    let mut out = Buffer::new();
    let parameters = sealer.parameters();
    out.append_with(parameters.sealed_len(content.len()), |room| sealer.seal(&header(parameters), content, room))
        .expect("a record");
    out.as_slice().to_vec()
}

#[test]
fn test_what_is_sealed_is_opened_whatever_the_length() {
    let mut data = TestData(5);
    let all = all_parameters();
    assert!(all.iter().any(|parameters| parameters.implicit_iv && parameters.encrypt_then_mac));
    for parameters in all {
        let (mut sealer, mut opener) = pair(parameters, &mut data);
        for octets in (0..100).chain([1000, 16383, 16384]) {
            let content = data.octets(octets);
            let sealed = seal(&mut sealer, &content);
            assert!(sealed.len() >= octets + parameters.least_overhead());
            let mut plain = Buffer::new();
            // Behind what is there already, too.
            plain.extend_from_slice(&content[..octets / 2]);
            opener.open(&header(parameters), &sealed, &mut plain).expect("an honest record");
            assert_eq!(plain.as_slice(), [&content[..octets / 2], &content].concat(), "{parameters:?} {octets}");
        }
    }
}

#[test]
fn test_a_changed_record_is_refused_and_leaves_nothing_behind() {
    let mut data = TestData(6);
    for parameters in all_parameters() {
        let (mut sealer, mut opener) = pair(parameters, &mut data);
        let sealed = seal(&mut sealer, &[0x5a; 70]);
        for bit in 0..sealed.len() * 8 {
            // A key that chains its records has no second try.
            let mut fresh = None;
            if parameters.implicit_iv {
                let (mut sealer, opener) = pair(parameters, &mut data);
                fresh = Some((seal(&mut sealer, &[0x5a; 70]), opener));
            }
            let (mut changed, opener) = match &mut fresh {
                Some((sealed, opener)) => (sealed.clone(), opener),
                None => (sealed.clone(), &mut opener),
            };
            changed[bit / 8] ^= 1 << (bit % 8);
            let mut plain = Buffer::new();
            assert_eq!(
                opener.open(&header(parameters), &changed, &mut plain),
                Err(CryptoError),
                "{parameters:?} bit {bit}"
            );
            assert!(plain.is_empty());
            assert!(plain.spare(changed.len())[..changed.len()].iter().all(|octet| *octet == 0), "{parameters:?}");
        }
        for (at, value) in [(7, 8), (8, 22), (0, 1)] {
            let (mut sealer, mut opener) = pair(parameters, &mut data);
            let mut other = header(parameters);
            other[at] = value;
            assert!(opener.open(&other, &seal(&mut sealer, b"x"), &mut Buffer::new()).is_err());
        }
    }
}

#[test]
fn test_a_refused_record_does_not_disturb_the_next_one() {
    let mut data = TestData(7);
    for parameters in all_parameters().into_iter().filter(|parameters| !parameters.implicit_iv) {
        let (mut sealer, mut opener) = pair(parameters, &mut data);
        let mut plain = Buffer::new();
        for length in [0, 1, 16, 47, 48, 100] {
            assert!(opener.open(&header(parameters), &vec![9; length], &mut plain).is_err());
            opener.open(&header(parameters), &seal(&mut sealer, b"honest"), &mut plain).expect("an honest record");
            assert_eq!(plain.as_slice(), b"honest");
            plain.clear();
        }
    }
}

#[test]
fn test_noise_of_any_length_is_refused() {
    let mut data = TestData(9);
    for parameters in all_parameters() {
        let (_, mut opener) = pair(parameters, &mut data);
        for round in 0..600 {
            let length = if round % 2 == 0 { data.below(40) * 16 } else { data.below(700) };
            let noise = data.octets(length);
            let mut plain = Buffer::new();
            assert_eq!(opener.open(&header(parameters), &noise, &mut plain), Err(CryptoError), "{parameters:?}");
        }
    }
}

/// The MAC covers the length of the content in two octets: what does not fit is refused, not cut.
#[test]
fn test_a_record_longer_than_its_length_field_is_refused() {
    let mut data = TestData(9);
    for parameters in all_parameters() {
        let (_, mut opener) = pair(parameters, &mut data);
        for octets in [65_536 + 128, 131_072] {
            let mut plain = Buffer::new();
            let opened = opener.open(&header(parameters), &data.octets(octets), &mut plain);
            assert_eq!(opened.err(), Some(CryptoError), "{parameters:?} {octets}");
            assert!(plain.is_empty());
        }
    }
}

#[test]
fn test_keys_and_rooms_of_other_lengths_are_refused() {
    let parameters = LegacyParameters {
        cipher: BulkCipher::Aes128Cbc,
        mac: MacAlgorithm::Sha1,
        implicit_iv: false,
        encrypt_then_mac: false,
    };
    for (mac, cipher, iv) in [(19, 16, 0), (20, 15, 0), (20, 32, 0), (20, 16, 16), (32, 16, 0)] {
        let (mac, cipher, iv) = (vec![0; mac], vec![0; cipher], vec![0; iv]);
        let keys = LegacyKeys { mac: &mac, cipher: &cipher, iv: &iv };
        assert!(LegacySealer::new(parameters, &keys).is_err());
        assert!(LegacyOpener::new(parameters, &keys).is_err());
    }
    let (mut sealer, _) = pair(parameters, &mut TestData(8));
    for length in [0, parameters.sealed_len(5) - 1, parameters.sealed_len(5) + 16] {
        let mut out = vec![MaybeUninit::new(0xaa); length];
        assert_eq!(sealer.seal(&header(parameters), b"hello", &mut out), Err(CryptoError));
        // SAFETY: made of initialised octets.
        assert!(out.iter().all(|octet| unsafe { octet.assume_init() } == 0));
    }
}

#[test]
fn test_dhe_agrees_in_every_group_and_checks_what_the_peer_sends() {
    for group in DheGroup::ALL {
        let (ours, theirs) = (DheKey::generate(group).expect("a key"), DheKey::generate(group).expect("a key"));
        let (our_public, their_public) = (ours.public().to_vec(), theirs.public().to_vec());
        assert_eq!(our_public.len() * 8, group.bits());
        let secret = ours.agree(&their_public).expect("a valid value");
        assert_eq!(secret.as_bytes(), theirs.agree(&our_public).expect("a valid value").as_bytes());
        // RFC 5246 8.1.2: the secret comes without leading zeros.
        assert_ne!(secret.as_bytes()[0], 0);
        let prime = group.prime();
        let mut last = prime.clone();
        *last.last_mut().expect("octets") -= 1;
        let longer = [&[1][..], &their_public].concat();
        for wrong in [&[][..], &[0], &[1], &[0, 0, 1], &last, &prime, &longer] {
            // RFC 7919 5.1: 1 < Y < p-1.
            assert!(DheKey::generate(group).expect("a key").agree(wrong).is_err(), "{}", group.name());
        }
        assert!(DheKey::generate(group).expect("a key").agree(&[2]).is_ok());
        assert_eq!(DheGroup::recognise(&prime, &[2]), Some(group));
        assert_eq!(DheGroup::recognise(&[&[0][..], &prime].concat(), &[0, 2]), Some(group));
        assert_eq!(DheGroup::recognise(&prime, &[5]), None);
        assert_eq!(DheGroup::recognise(&last, &[2]), None);
        let code = group.code();
        assert_eq!(DheGroup::from_code(code), (code != 0).then_some(group));
    }
    assert_eq!(DheGroup::recognise(&[0xff; 128], &[2]), None);
    assert_eq!(DheGroup::recognise(&[], &[]), None);
}

#[test]
fn test_a_premaster_is_chosen_only_where_everything_is_right() {
    let random = [0xee; PREMASTER];
    let mut message = vec![0x11; 256];
    message[..2].copy_from_slice(&[0, 2]);
    message[256 - PREMASTER - 1] = 0;
    message[256 - PREMASTER..256 - PREMASTER + 2].copy_from_slice(&[3, 3]);
    let good = select_premaster(&message, 0x0303, &random);
    assert_eq!(&good[..], &message[256 - PREMASTER..]);
    assert_eq!(*select_premaster(&message, 0x0302, &random), random);
    for at in 0..256 - PREMASTER + 2 {
        for change in [1, 0x80, 0xff, 0x11] {
            let mut wrong = message.clone();
            wrong[at] ^= change;
            let padding = (2..256 - PREMASTER - 1).contains(&at);
            let still_right = padding && wrong[at] != 0;
            assert_eq!(*select_premaster(&wrong, 0x0303, &random) == random, !still_right, "{at} {change}");
        }
    }
    // A secret that is shorter or longer than 48 octets has its zero elsewhere.
    for at in [2, 9, 100, 255 - PREMASTER - 1] {
        let mut wrong = message.clone();
        wrong[at] = 0;
        assert_eq!(*select_premaster(&wrong, 0x0303, &random), random);
    }
}

#[test]
fn test_keys_that_are_not_rsa_are_refused() {
    for der in [&[][..], &[0x30], &[0x30, 0x00], &[0; 300]] {
        assert!(RsaDecryptor::from_pkcs8(der).is_err());
        assert!(rsa_premaster(0x0303, der).is_err());
    }
}
