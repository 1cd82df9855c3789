//! The hash of all handshake messages so far (RFC 9846 4.1).

use tlscore_crypto::{hash, Buffer, Digest, HashAlgorithm, HashContext};

enum State {
    /// The hash is not chosen yet: keep the octets.
    Held(Buffer),
    Hashing(HashContext),
}

/// Transcript of one handshake. It holds public octets only.
pub struct Transcript {
    state: State,
    /// The messages themselves, while something may still sign them (RFC 5246 7.4.8).
    kept: Option<Buffer>,
}

impl Default for Transcript {
    fn default() -> Self {
        Self { state: State::Held(Buffer::new()), kept: None }
    }
}

impl Transcript {
    /// A transcript that keeps the messages beside their hash, until `take_messages`.
    #[must_use]
    pub fn keeping() -> Self {
        Self { kept: Some(Buffer::new()), ..Self::default() }
    }

    /// All messages so far, one behind the other; they are not kept any longer. `None` where they are not kept.
    pub fn take_messages(&mut self) -> Option<Buffer> {
        self.kept.take()
    }

    /// Add whole messages, headers included.
    pub fn add(&mut self, message: &[u8]) {
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(message);
        }
        match &mut self.state {
            State::Held(held) => held.extend_from_slice(message),
            State::Hashing(context) => context.update(message),
        }
    }

    /// Choose the hash. Choosing the same one again changes nothing; false where another one was chosen before.
    pub fn select(&mut self, algorithm: HashAlgorithm) -> bool {
        match &self.state {
            State::Held(held) => {
                let mut context = HashContext::new(algorithm);
                context.update(held.as_slice());
                self.state = State::Hashing(context);
                true
            }
            State::Hashing(context) => context.algorithm() == algorithm,
        }
    }

    /// Hash of all messages so far, or `None` before the hash is chosen.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        match &self.state {
            State::Held(_) => None,
            State::Hashing(context) => Some(context.peek()),
        }
    }

    /// RFC 9846 4.1: "when the server responds to a ClientHello with a HelloRetryRequest, the value of ClientHello1 is replaced with a
    /// special synthetic handshake message of handshake type "message_hash" (254) containing Hash(ClientHello1)." False before a hash is chosen.
    pub fn fold_hello_retry(&mut self) -> bool {
        let State::Hashing(context) = &self.state else {
            return false;
        };
        let digest = context.peek();
        *self = Self::from_client_hello1(context.algorithm(), digest.as_ref());
        true
    }

    /// The transcript that starts with the synthetic message of a ClientHello1 whose hash is known.
    #[must_use]
    pub fn from_client_hello1(algorithm: HashAlgorithm, digest: &[u8]) -> Self {
        let mut context = HashContext::new(algorithm);
        context.update(&[254, 0, 0, u8::try_from(digest.len()).unwrap_or(u8::MAX)]);
        context.update(digest);
        Self { state: State::Hashing(context), kept: None }
    }

    /// An independent copy of the transcript so far; it keeps no messages.
    #[must_use]
    pub fn fork(&self) -> Self {
        let state = match &self.state {
            State::Held(held) => {
                let mut copy = Buffer::new();
                copy.extend_from_slice(held.as_slice());
                State::Held(copy)
            }
            State::Hashing(context) => State::Hashing(context.clone()),
        };
        Self { state, kept: None }
    }

    /// Hash of nothing.
    #[must_use]
    pub fn empty(algorithm: HashAlgorithm) -> Digest {
        hash(algorithm, &[])
    }
}
