//! The wire at its edges: golden octets that a second implementation wrote from the page, damaged
//! lines, and sessions that somebody listens to and plays back.

mod golden;
mod noise;
mod sessions;

/// A small generator of numbers (xorshift64*), the same for a seed on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 16) % n
    }
}

fn octets(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

/// The line of this name in `vectors/wire-1.txt`.
fn golden(name: &str) -> Vec<u8> {
    let lines = include_str!("../vectors/wire-1.txt");
    let line = lines.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" | "));
    octets(line.unwrap_or_else(|| panic!("no line {name}")))
}
