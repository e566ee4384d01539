//! A line that flips, drops and invents octets: no wrong frame is accepted, and every frame whose
//! own octets came through is, whatever stood before it.

use std::collections::VecDeque;

use super::{Dice, golden};
use hearth_shared::wire::frame::{self, Accumulator, FRAME_MAX};
use hearth_shared::wire::{CONTENT_MAX, FrameError};

/// Frames in an ordinary run; `HEARTH_SLOW=1` makes it ten millions (use a release build).
fn frames() -> u32 {
    if std::env::var_os("HEARTH_SLOW").is_some() { 10_000_000 } else { 1_000_000 }
}

fn framed(content: &[u8]) -> Vec<u8> {
    let mut line = [0; FRAME_MAX];
    frame::write(content, &mut line).unwrap().to_vec()
}

fn heard(accumulator: &mut Accumulator, line: &[u8]) -> Vec<Result<Vec<u8>, FrameError>> {
    line.iter().filter_map(|o| accumulator.push(*o).map(|r| r.map(<[u8]>::to_vec))).collect()
}

#[test]
fn frames_have_their_golden_octets() {
    let long: Vec<u8> = (0..600).map(|i| (1 + i % 255) as u8).collect();
    let hello = [&[1, 0], golden("gateway hello").as_slice()].concat();
    for (name, content) in [
        ("frame hello", hello.as_slice()),
        ("frame 123456789", b"123456789"),
        ("frame long", &long),
        ("frame zeros", &[0; 300]),
    ] {
        let line = golden(name);
        assert_eq!(framed(content), line, "{name}");
        assert_eq!(heard(&mut Accumulator::new(), &line), [Ok(content.to_vec())], "{name}");
    }
    assert_eq!(frame::checksum(b"123456789"), 0xCBF4_3926);
}

#[test]
fn contents_of_every_length_come_back() {
    let mut dice = Dice(7);
    let mut accumulator = Accumulator::new();
    for size in 2..=CONTENT_MAX {
        for kind in 0..4 {
            let content: Vec<u8> = (0..size)
                .map(|_| match kind {
                    0 => 0,
                    1 => 0xFF,
                    2 => 1 + dice.below(255) as u8,
                    _ => dice.below(256) as u8,
                })
                .collect();
            let line = framed(&content);
            assert!(line.len() <= FRAME_MAX && line[1..line.len() - 1].iter().all(|o| *o != 0));
            assert_eq!(heard(&mut accumulator, &line), [Ok(content)]);
        }
    }
    let mut line = [0; FRAME_MAX];
    assert_eq!(frame::write(&[1; CONTENT_MAX + 1], &mut line), Err(FrameError::TooLong));
    assert_eq!(frame::write(&[1], &mut line), Err(FrameError::TooShort));
}

#[test]
fn what_is_no_frame_is_told_apart_and_costs_only_itself() {
    let good = framed(b"good");
    let check = |bad: &[u8], error: FrameError| {
        let line = [bad, good.as_slice()].concat();
        let expected = [Err(error), Ok(b"good".to_vec())];
        assert_eq!(heard(&mut Accumulator::new(), &line), expected, "{bad:x?}");
    };
    check(&[5, 1, 2], FrameError::Stuffing);
    check(&[3, 1, 2], FrameError::TooShort);
    check(&[6, 1, 2, 3, 4, 5], FrameError::TooShort);
    check(&[8, 1, 2, 3, 4, 5, 6, 7], FrameError::Checksum);
    check(&[1; 5000], FrameError::TooLong);
    let empty = [0; 9];
    assert_eq!(heard(&mut Accumulator::new(), &empty), []);
}

/// One frame after damage, and whether its own octets stayed as they were.
fn damage(dice: &mut Dice, line: &[u8], damaged: &mut Vec<u8>) -> bool {
    damaged.clear();
    damaged.extend_from_slice(line);
    for _ in 0..dice.below(4) {
        if damaged.is_empty() {
            break;
        }
        let at = dice.below(damaged.len() as u64) as usize;
        match dice.below(5) {
            0 => damaged[at] ^= 1 << dice.below(8),
            1 => damaged[at] = dice.below(256) as u8,
            2 => {
                damaged.remove(at);
            }
            3 => damaged.insert(at, dice.below(256) as u8),
            // A burst that swallows the end.
            _ => damaged.truncate(at),
        }
    }
    damaged == line
}

#[test]
fn no_wrong_frame_is_accepted_and_the_next_delimiter_starts_afresh() {
    let seed = 0x5EED_0002;
    println!("seed {seed:#x}");
    let mut dice = Dice(seed);
    let mut accumulator = Accumulator::new();
    let (mut whole, mut accepted, mut refused) = (0_u32, 0_u32, 0_u32);
    let (mut line, mut damaged) = (Vec::new(), Vec::new());
    let mut buffer = [0; FRAME_MAX];
    // Frames before, not taken yet: the delimiter that opens a frame also ends one whose own was lost,
    // and whole frames may have been swallowed in between.
    let mut before: VecDeque<Vec<u8>> = VecDeque::new();
    for count in 0..frames() {
        // Each content carries its number, so that a wrong one is seen.
        let mut content = [0; 24];
        let size = 8 + dice.below(16) as usize;
        for place in &mut content {
            *place = if dice.below(4) == 0 { 0 } else { dice.below(256) as u8 };
        }
        content[..4].copy_from_slice(&count.to_le_bytes());
        let content = &content[..size];
        line.clear();
        line.extend_from_slice(frame::write(content, &mut buffer).unwrap());
        let intact = damage(&mut dice, &line, &mut damaged);
        whole += u32::from(intact);
        let mut this = 0;
        for octet in &damaged {
            match accumulator.push(*octet) {
                Some(Ok(taken)) if taken == content => this += 1,
                Some(Ok(taken)) => {
                    let known = before.iter().position(|content| content == taken);
                    let known = known.unwrap_or_else(|| panic!("frame {count}: a wrong one"));
                    // In order, and once: what was sent before it will not come any more.
                    before.drain(..=known);
                    accepted += 1;
                }
                Some(Err(_)) => refused += 1,
                None => {}
            }
        }
        assert!(this <= 1, "frame {count} came twice");
        assert!(this == 1 || !intact, "frame {count} was whole and not taken");
        accepted += this;
        if this == 0 {
            before.push_back(content.to_vec());
            if before.len() > 64 {
                before.pop_front();
            }
        } else {
            before.clear();
        }
    }
    println!("{} frames, {whole} whole, {accepted} accepted, {refused} refused", frames());
    assert!(accepted >= whole && refused > frames() / 4);
}
