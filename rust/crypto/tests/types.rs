//! What the types promise: secrets cannot be printed, cloned or compared, and keys may be shared between threads.

use tlscore_crypto::{Buffer, HashContext, KeyShare, RecordKey, Secret, SharedSecret};

/// Fails to compile if the type has the trait: there are then two ways to read `Probe<_>`.
macro_rules! assert_lacks {
    ($type:ty: $($trait:path),+) => {$(
        const _: fn() = || {
            struct Has;
            trait Probe<Which> {
                fn probe() {}
            }
            impl<T: ?Sized> Probe<()> for T {}
            impl<T: ?Sized + $trait> Probe<Has> for T {}
            let _ = <$type as Probe<_>>::probe;
        };
    )+};
}

assert_lacks!(Secret: std::fmt::Debug, std::fmt::Display, Clone, PartialEq, AsRef<[u8]>);
assert_lacks!(SharedSecret: std::fmt::Debug, std::fmt::Display, Clone, PartialEq, AsRef<[u8]>);
assert_lacks!(RecordKey: std::fmt::Debug, std::fmt::Display, Clone, PartialEq);
assert_lacks!(KeyShare: std::fmt::Debug, std::fmt::Display, Clone, PartialEq);
assert_lacks!(Buffer: std::fmt::Debug, Clone);

fn shared<T: Send + Sync>() {}

#[test]
fn test_types_cross_threads() {
    shared::<RecordKey>();
    shared::<Secret>();
    shared::<SharedSecret>();
    shared::<KeyShare>();
    shared::<HashContext>();
    shared::<Buffer>();
}
