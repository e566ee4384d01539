//! Sessions: the two sides agree, and nobody else can say anything in between.

use super::golden;
use super::golden::{ack, hello, status, welcome};
use hearth_shared::wire::session::{HEADER_SIZE, digest};
use hearth_shared::wire::{
    CONTENT_MAX, Key, MessageError, Opened, PAYLOAD_MAX, SealError, Session, Side, ToGateway,
    ToHub, plain, sort, version_refusal,
};

fn key() -> Key {
    Key::from_octets(std::array::from_fn(|i| 100 + i as u8))
}

fn plain_content(write: impl FnOnce(&mut [u8]) -> usize) -> Vec<u8> {
    let mut content = [0; CONTENT_MAX];
    let size = write(&mut content[2..]);
    plain(&mut content, size).unwrap().to_vec()
}

fn opening() -> (Vec<u8>, Vec<u8>) {
    (
        plain_content(|place| hello().encode(place).unwrap()),
        plain_content(|place| welcome().encode(place).unwrap()),
    )
}

fn both() -> (Session, Session) {
    let (hello, welcome) = opening();
    let (hello, welcome) = (digest(&hello), digest(&welcome));
    let side = |side| Session::new(&key(), side, &hello, &welcome);
    (side(Side::Hub), side(Side::Gateway))
}

fn seal_status(session: &mut Session) -> Vec<u8> {
    let mut content = [0; CONTENT_MAX];
    let size = status().encode(&mut content[HEADER_SIZE..]).unwrap();
    session.seal(&mut content, size).unwrap().to_vec()
}

fn seal_ack(session: &mut Session) -> Vec<u8> {
    let mut content = [0; CONTENT_MAX];
    let size = ack().encode(&mut content[HEADER_SIZE..]).unwrap();
    session.seal(&mut content, size).unwrap().to_vec()
}

#[test]
fn a_session_has_its_golden_octets() {
    let (mut hub, mut gateway) = both();
    let up = seal_status(&mut hub);
    assert_eq!(up, golden("sealed status"));
    assert_eq!(ToGateway::decode(gateway.open(&up).unwrap()), Ok(status()));
    assert!(gateway.confirmed() && !hub.confirmed());
    let down = seal_ack(&mut gateway);
    assert_eq!(down, golden("sealed ack"));
    assert_eq!(ToHub::decode(hub.open(&down).unwrap()), Ok(ack()));
    let check = golden("key check");
    assert_eq!(key().check().to_be_bytes().as_slice(), check);
    assert!(key().digits() < 1_000_000);
    assert_eq!(key().nonce(42, 3).as_slice(), golden("key nonce"));
    assert_eq!(format!("{:?}", key()), "Key(…)");
}

#[test]
fn any_changed_octet_is_refused() {
    let (mut hub, gateway) = both();
    let sealed = seal_status(&mut hub);
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut changed = sealed.clone();
            changed[at] ^= 1 << bit;
            let refused = gateway.clone().open(&changed).map(<[u8]>::to_vec);
            let expected = if at < 2 { SealError::Malformed } else { SealError::Tag };
            assert_eq!(refused, Err(expected), "octet {at} bit {bit}");
        }
        assert!(gateway.clone().open(&sealed[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn a_frame_counts_once_and_only_forwards() {
    let (mut hub, mut gateway) = both();
    let frames: Vec<_> = (0..4).map(|_| seal_status(&mut hub)).collect();
    assert!(gateway.open(&frames[0]).is_ok());
    assert_eq!(gateway.open(&frames[0]), Err(SealError::Replayed));
    // The second was lost; the third is taken, and the second is too late then.
    assert!(gateway.open(&frames[2]).is_ok());
    assert_eq!(gateway.open(&frames[1]), Err(SealError::Replayed));
    assert!(gateway.open(&frames[3]).is_ok());
    // Not even the hub takes its own frame for the gateway's.
    assert_eq!(hub.open(&frames[3]), Err(SealError::Tag));
}

#[test]
fn a_recorded_session_opens_nothing_later() {
    let (mut hub, mut gateway) = both();
    let order = seal_ack(&mut gateway);
    assert!(hub.open(&order).is_ok());
    // The same welcome again, to the hello of another boot.
    let (hello, welcome) = opening();
    let mut other = hello.clone();
    *other.last_mut().unwrap() ^= 1;
    let mut later = Session::new(&key(), Side::Hub, &digest(&other), &digest(&welcome));
    assert_eq!(later.open(&order), Err(SealError::Tag));
    // And another key knows neither.
    let stranger = Key::from_octets([9; 32]);
    let mut stranger = Session::new(&stranger, Side::Hub, &digest(&hello), &digest(&welcome));
    assert_eq!(stranger.open(&order), Err(SealError::Tag));
}

#[test]
fn the_longest_payload_fits_and_a_longer_one_is_refused() {
    let (mut hub, mut gateway) = both();
    let mut content = [7; CONTENT_MAX];
    assert_eq!(hub.seal(&mut content, PAYLOAD_MAX + 1), Err(SealError::TooLong));
    assert_eq!(hub.sent(), 0);
    let sealed = hub.seal(&mut content, PAYLOAD_MAX).unwrap().to_vec();
    assert_eq!(gateway.open(&sealed).unwrap(), [7; PAYLOAD_MAX]);
}

#[test]
fn contents_are_sorted_by_version_and_kind_before_anything_is_believed() {
    assert_eq!(sort(&[1, 0, 9]), Ok(Opened::Plain(&[9])));
    assert_eq!(sort(&[1, 1, 9]), Ok(Opened::Sealed(&[1, 1, 9])));
    assert_eq!(sort(&[2, 0, 9]), Err(MessageError::Version(2)));
    assert_eq!(sort(&[1, 7, 9]), Err(MessageError::Kind(7)));
    assert_eq!(sort(&[3, 2, 2, 3]), Ok(Opened::Version { lowest: 2, highest: 3 }));
    assert_eq!(sort(&version_refusal()), Ok(Opened::Version { lowest: 1, highest: 1 }));
    assert_eq!(sort(&[1]), Err(MessageError::Malformed));
}

#[test]
fn only_openings_and_refusals_may_come_without_a_seal() {
    assert!(hello().may_be_plain() && welcome().may_be_plain());
    assert!(!status().may_be_plain() && !ack().may_be_plain());
}
