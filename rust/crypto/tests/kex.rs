//! Key exchange: both sides agree, parts lie in the order of the registry, lengths are exact.

use tlscore_crypto::{respond, test_hooks, Group, KeyShare};

#[test]
fn test_client_and_server_agree_in_every_group() {
    for group in Group::ALL {
        let client = KeyShare::generate(group).expect("a key");
        assert_eq!(client.group(), group);
        assert_eq!(client.public().len(), group.client_share_len(), "{}", group.name());
        let (share, server) = respond(group, client.public()).expect("an answer");
        assert_eq!(share.len(), group.server_share_len(), "{}", group.name());
        let client = client.complete(&share).expect("a secret");
        assert_eq!(client.as_bytes(), server.as_bytes(), "{}", group.name());
    }
}

#[test]
fn test_groups_are_found_by_their_codes() {
    for group in Group::ALL {
        assert_eq!(Group::from_code(group.code()), Some(group));
    }
    assert_eq!(Group::from_code(0x2a2a), None);
    assert_eq!(Group::X25519MlKem768.code(), 0x11ec);
}

#[test]
fn test_shares_of_another_length_are_refused() {
    for group in Group::ALL {
        let client = KeyShare::generate(group).expect("a key");
        let public = client.public().to_vec();
        let (share, _) = respond(group, &public).expect("an answer");
        let longer = |octets: &[u8]| [octets, &[0]].concat();
        assert!(respond(group, &public[1..]).is_err());
        assert!(respond(group, &public[..public.len() - 1]).is_err());
        assert!(respond(group, &longer(&public)).is_err());
        assert!(respond(group, &[]).is_err());
        for wrong in [share[1..].to_vec(), share[..share.len() - 1].to_vec(), longer(&share), Vec::new()] {
            let fresh = KeyShare::generate(group).expect("a key");
            assert!(fresh.complete(&wrong).is_err(), "{}", group.name());
        }
    }
}

/// (group, curve alone, KEM alone, whether the KEM's part comes first)
const HYBRIDS: [(Group, Group, Group, bool); 3] = [
    (Group::X25519MlKem768, Group::X25519, Group::MlKem768, true),
    (Group::SecP256r1MlKem768, Group::Secp256r1, Group::MlKem768, false),
    (Group::SecP384r1MlKem1024, Group::Secp384r1, Group::MlKem1024, false),
];

#[test]
fn test_hybrids_join_their_parts_in_order() {
    for (group, curve, kem, kem_first) in HYBRIDS {
        let scalar = vec![0x11; if curve == Group::Secp384r1 { 48 } else { 32 }];
        let (kem_public, kem_private) = test_hooks::mlkem_keygen(kem, &[0x22; 64]).expect("a key");
        let curve_public = KeyShare::generate(curve).expect("a key").public().to_vec();
        let public = join(kem_first, &curve_public, &kem_public);
        let (share, _) = respond(group, &public).expect("the order of the client's share");

        let kem_len = kem.server_share_len();
        let (kem_share, curve_share) = if kem_first {
            share.split_at(kem_len)
        } else {
            let (curve_share, kem_share) = share.split_at(curve.server_share_len());
            (kem_share, curve_share)
        };
        let whole = test_hooks::key_share(group, &scalar, &kem_private).expect("a key");
        let curve_alone = test_hooks::key_share(curve, &scalar, &[]).expect("a key");
        let kem_alone = test_hooks::key_share(kem, &[], &kem_private).expect("a key");
        let whole = whole.complete(&share).expect("a secret");
        let curve_alone = curve_alone.complete(curve_share).expect("the order of the server's share");
        let kem_alone = kem_alone.complete(kem_share).expect("a secret");
        let expected = join(kem_first, curve_alone.as_bytes(), kem_alone.as_bytes());
        assert_eq!(whole.as_bytes(), expected, "{}", group.name());
    }
}

fn join(kem_first: bool, curve: &[u8], kem: &[u8]) -> Vec<u8> {
    if kem_first {
        [kem, curve].concat()
    } else {
        [curve, kem].concat()
    }
}

#[test]
fn test_hybrids_refuse_a_bad_curve_part() {
    // The zero point of X25519, with a good encapsulation key before it.
    let good = KeyShare::generate(Group::X25519MlKem768).expect("a key");
    let mut public = good.public().to_vec();
    let start = public.len() - 32;
    public[start..].fill(0);
    assert!(respond(Group::X25519MlKem768, &public).is_err());

    // A point that is not on P-256, before a good encapsulation key.
    let good = KeyShare::generate(Group::SecP256r1MlKem768).expect("a key");
    let mut public = good.public().to_vec();
    public[64] ^= 1;
    assert!(respond(Group::SecP256r1MlKem768, &public).is_err());
}

#[test]
fn test_mlkem_rejects_a_changed_ciphertext_implicitly() {
    for group in [Group::MlKem768, Group::MlKem1024] {
        let client = KeyShare::generate(group).expect("a key");
        let (mut share, server) = respond(group, client.public()).expect("an answer");
        share[0] ^= 1;
        let secret = client.complete(&share).expect("implicit rejection");
        assert_ne!(secret.as_bytes(), server.as_bytes());
    }
}
