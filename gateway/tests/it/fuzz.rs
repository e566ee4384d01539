//! The fuzz targets of commands, configuration and the other files people write, from printed
//! seeds: random octets, and what is right changed in a few places.

// The fuzz targets are public for their own crate.
#[path = "../../../hardware-tests/fuzz/src/gateway.rs"]
mod targets;

use targets::{Target, commands_executed};

/// Right files and lines to begin with, for each target.
fn examples(target: &str) -> Vec<&'static [u8]> {
    match target {
        "gateway_command" | "gateway_commands_executed" => vec![COMMANDS.as_bytes()],
        "gateway_configuration" => vec![include_bytes!("../../hearth.example.toml")],
        "gateway_household" => vec![include_bytes!("../../household.example.toml")],
        "gateway_programme" => vec![
            include_bytes!("../../src/programme/library/fasting-glucose-6w.toml"),
            include_bytes!("../../src/programme/library/home-blood-pressure-6w.toml"),
        ],
        "gateway_line" => vec![
            b"04-21-1991\t9:09\t58\t100",
            b"meter-1,glucose,2026-03-01 07:30,132,,mg/dL,fasting",
            b"cuff-1,blood_pressure,2026-03-01 07:34,141,88,mmHg",
        ],
        _ => {
            let cases = include_str!("../../../shared/tests/vectors/alerts-cases.jsonl");
            cases.lines().take(6).map(str::as_bytes).collect()
        }
    }
}

/// One right command of every kind that a household needs, a line each.
const COMMANDS: &str = r#"{"id":"1","verb":"patient_add","with":{"id":"p1","zone":"Europe/Madrid","language":"en","monitoring":true,"prompts":true,"quiet_hours":["21:00","08:00"],"daily_cap":2,"limits":{"G4":{"max":"11.0"},"G5":null}}}
{"id":"2","verb":"device_add","with":{"id":"d1","kind":"glucose_meter","zone":"Europe/Madrid","expected_interval_s":86400}}
{"id":"3","verb":"device_assign","with":{"id":"d1","patient":"p1","slot":1,"from":"2026-01-01T00:00:00Z"}}
{"id":"4","verb":"plan_assign","with":{"id":"plan1","patient":"p1","programme":"fasting-glucose-6w","start":"2026-02-01","overrides":{}}}
{"id":"5","verb":"plan_event","with":{"id":"plan1","day":"2026-02-20","event":"medication_change"}}
{"id":"6","verb":"patient_pause","with":{"id":"p1","from":"2026-03-01","to":"2026-03-03","reason":"travel"}}
{"id":"7","verb":"patient_mute","with":{"id":"p1","until":"2026-03-02T00:00:00Z"}}
{"id":"8","gateway":"g1","expires":"2026-03-01T13:00:00Z","verb":"need_book","with":{"id":"n1"}}
{"id":"9","verb":"plan_close","with":{"id":"plan1"}}
{"id":"10","verb":"patient_erase","with":{"id":"p1"}}
"#;

/// xorshift64*: a fixed seed gives the same octets on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }

    /// A few places changed: an octet, a word put elsewhere, a stretch left out or said twice.
    fn changed(&mut self, right: &[u8]) -> Vec<u8> {
        const WORDS: [&[u8]; 12] = [
            b"-1",
            b"99999999999999999999",
            b"\"\"",
            b"null",
            b"[]",
            b"{}",
            b"\n",
            b"= ",
            b"\xc3",
            b"9999-12-31",
            b"[[patient]]\n",
            b"1e400",
        ];
        let mut octets = right.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(octets.len());
            let end = (at + self.below(40)).min(octets.len());
            match self.below(5) {
                0 if at < octets.len() => octets[at] ^= 1 << self.below(8),
                1 => drop(octets.splice(at..end, WORDS[self.below(WORDS.len())].iter().copied())),
                2 => drop(octets.splice(at..at, WORDS[self.below(WORDS.len())].iter().copied())),
                3 => drop(octets.drain(at..end)),
                _ => {
                    let twice = octets[at..end].to_vec();
                    drop(octets.splice(at..at, twice));
                }
            }
        }
        octets
    }
}

/// Runs one target for as long as `rounds` says; `HEARTH_SEED` chooses another run.
fn check((name, target): Target, rounds: usize) {
    let seed = std::env::var("HEARTH_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(2026);
    println!("{name}: HEARTH_SEED={seed}");
    let mut random = Random(seed);
    target(&[]);
    for right in examples(name) {
        target(right);
        for _ in 0..rounds {
            target(&random.changed(right));
            let noise: Vec<u8> = (0..random.below(64)).map(|_| random.below(256) as u8).collect();
            target(&noise);
        }
    }
}

#[test]
fn every_target_takes_changed_files_and_random_octets() {
    for (name, target) in targets::TARGETS {
        let rounds = match name {
            // A store each.
            "gateway_commands_executed" => 100,
            "gateway_assess" => 150,
            _ => 1_500,
        };
        check((name, target), rounds);
    }
}

#[test]
fn each_line_changed_by_itself_gets_an_answer() {
    let mut random = Random(7);
    for line in COMMANDS.lines() {
        for _ in 0..1_000 {
            targets::command(&random.changed(line.as_bytes()));
        }
    }
}

#[test]
fn the_example_commands_are_right() {
    for line in COMMANDS.lines() {
        let read = hearth_gateway::control::Command::parse(line.as_bytes());
        assert!(read.is_ok(), "{line}: {read:?}");
    }
    commands_executed(COMMANDS.as_bytes());
}
