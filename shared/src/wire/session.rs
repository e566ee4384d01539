//! Who is at the other end: keys, session, counters.
//!
//! Primitives: SHA-256 (FIPS 180-4), HMAC-SHA-256 (RFC 2104), HKDF-SHA-256 (RFC 5869).
//!
//! 1. **Key.** At pairing the gateway draws [`Key`], 32 random octets, and sends it in `PairOffer` while a
//!    person holds the hub's pairing window open. Both sides show the same six digits of
//!    [`Key::digits`]; the person compares them. The cable is trusted at that moment and never again.
//! 2. **Session.** The hub opens with `Hello`, which carries a nonce it never used before; the gateway
//!    answers with `Welcome` and its own. Each nonce is 16 octets. With H and W the contents of the two
//!    frames as they stood on the line (version, kind and payload, without the CRC):
//!    `salt = SHA-256(SHA-256(H) SHA-256(W))`, and the two keys of the session are HKDF(salt, key) with the
//!    infos `hearth link 1 to gateway` and `hearth link 1 to hub`, 32 octets each. Whoever changed an
//!    octet of either message gets other keys.
//! 3. **Frames.** A sealed content is version, kind 1, counter (4 octets, least significant first), payload,
//!    tag. The tag is the first 16 octets of HMAC(key of the direction, all of the content before it).
//!    Counters start at 1 and grow; a frame whose counter is not above the last accepted one is refused.
//!    A frame that was lost leaves a gap, which is allowed.
//! 4. **Who trusts first.** The hub's first sealed frame is `Status`. The gateway sends nothing sealed before
//!    that frame held, so that no recorded `Welcome` brings recorded orders with it; the hub sends no
//!    record before a sealed frame of the gateway held.
//!
//! The link is authenticated, not encrypted: whoever can listen on the cable can read.

use super::{CONTENT_MAX, KIND_SEALED, SealError, WIRE_VERSION};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Octets of a tag.
pub const TAG_SIZE: usize = 16;

/// Version, kind, counter.
pub const HEADER_SIZE: usize = 6;

/// What sealing adds to a payload.
pub const SEAL_SIZE: usize = HEADER_SIZE + TAG_SIZE;

const TO_GATEWAY: &[u8] = b"hearth link 1 to gateway";
const TO_HUB: &[u8] = b"hearth link 1 to hub";
const CHECK: &[u8] = b"hearth link 1 key check";

/// A pairing key. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The two ends of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The hub.
    Hub,
    /// The gateway.
    Gateway,
}

impl Key {
    /// From 32 octets that nobody can guess.
    pub const fn from_octets(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The octets, to be kept.
    pub const fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    /// Tells keys apart without giving them away: the first four octets of
    /// HMAC(key, `hearth link 1 key check`), most significant first.
    pub fn check(&self) -> u32 {
        let tag = authenticate(&self.0, &[CHECK]);
        tag.first_chunk::<4>().map_or(0, |first| u32::from_be_bytes(*first))
    }

    /// What both screens show at pairing: [`Self::check`] modulo a million, six digits.
    pub fn digits(&self) -> u32 {
        // The divisor is no zero.
        self.check().checked_rem(1_000_000).unwrap_or(0)
    }

    /// A nonce that is new as long as `count` is: the first 16 octets of HMAC(key, `boot`, `count`), both
    /// as 4 octets, least significant first. The boot count is kept before it is used.
    pub fn nonce(&self, boot: u32, count: u32) -> [u8; 16] {
        let tag = authenticate(&self.0, &[&boot.to_le_bytes(), &count.to_le_bytes()]);
        tag.first_chunk::<16>().copied().unwrap_or([0; 16])
    }
}

fn authenticate(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes a key of any length; the empty answer is never reached.
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// One session of one side: its two keys and counters.
#[derive(Clone)]
pub struct Session {
    out: [u8; 32],
    incoming: [u8; 32],
    sent: u32,
    received: u32,
}

impl core::fmt::Debug for Session {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Session")
            .field("sent", &self.sent)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

/// SHA-256 of a content, to be kept until the session's keys are made.
pub fn digest(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

impl Session {
    /// The session of `side` that follows these two contents, each given by its [`digest`].
    pub fn new(key: &Key, side: Side, hello: &[u8; 32], welcome: &[u8; 32]) -> Self {
        let mut both = Sha256::new();
        both.update(hello);
        both.update(welcome);
        let salt: [u8; 32] = both.finalize().into();
        let derive = Hkdf::<Sha256>::new(Some(&salt), &key.0);
        let expand = |info: &[u8]| {
            let mut made = [0; 32];
            // 32 octets are far below the limit of 8160: this cannot fail, and zeros would open nothing
            // that the other side sealed.
            let _ = derive.expand(info, &mut made);
            made
        };
        let (to_gateway, to_hub) = (expand(TO_GATEWAY), expand(TO_HUB));
        let (out, incoming) = match side {
            Side::Hub => (to_gateway, to_hub),
            Side::Gateway => (to_hub, to_gateway),
        };
        Self { out, incoming, sent: 0, received: 0 }
    }

    /// Frames sealed so far.
    pub const fn sent(&self) -> u32 {
        self.sent
    }

    /// Whether a frame of the other side has held.
    pub const fn confirmed(&self) -> bool {
        self.received > 0
    }

    /// Turns the payload that stands in `content[HEADER_SIZE..][..size]` into a sealed content.
    ///
    /// # Errors
    /// [`SealError::TooLong`] if it does not fit, [`SealError::Exhausted`] after 2^32 - 1 frames: a new
    /// `Hello` is due.
    pub fn seal<'a>(
        &mut self,
        content: &'a mut [u8; CONTENT_MAX],
        size: usize,
    ) -> Result<&'a [u8], SealError> {
        let counter = self.sent.checked_add(1).ok_or(SealError::Exhausted)?;
        let signed = size.checked_add(HEADER_SIZE).ok_or(SealError::TooLong)?;
        let end = signed.checked_add(TAG_SIZE).ok_or(SealError::TooLong)?;
        let whole = content.get_mut(..end).ok_or(SealError::TooLong)?;
        let (body, place) = whole.split_at_mut_checked(signed).ok_or(SealError::TooLong)?;
        let header = body.first_chunk_mut::<HEADER_SIZE>().ok_or(SealError::TooLong)?;
        let [a, b, c, d] = counter.to_le_bytes();
        *header = [WIRE_VERSION, KIND_SEALED, a, b, c, d];
        let tag = authenticate(&self.out, &[body]);
        for (to, from) in place.iter_mut().zip(tag) {
            *to = from;
        }
        self.sent = counter;
        Ok(whole)
    }

    /// The payload of a sealed content, if the other side of this session sent it and it is newer than
    /// all before.
    ///
    /// # Errors
    /// [`SealError::Malformed`], [`SealError::Tag`] or [`SealError::Replayed`]; the session stays as it was.
    pub fn open<'a>(&mut self, content: &'a [u8]) -> Result<&'a [u8], SealError> {
        let (signed, tag) = content.split_last_chunk::<TAG_SIZE>().ok_or(SealError::Malformed)?;
        let (header, payload) =
            signed.split_first_chunk::<HEADER_SIZE>().ok_or(SealError::Malformed)?;
        let [version, kind, counter @ ..] = *header;
        if version != WIRE_VERSION || kind != KIND_SEALED {
            return Err(SealError::Malformed);
        }
        // The library compares in constant time.
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.incoming)
            .map_err(|_| SealError::Malformed)?;
        mac.update(signed);
        mac.verify_truncated_left(tag).map_err(|_| SealError::Tag)?;
        let counter = u32::from_le_bytes(counter);
        if counter <= self.received {
            return Err(SealError::Replayed);
        }
        self.received = counter;
        Ok(payload)
    }
}
