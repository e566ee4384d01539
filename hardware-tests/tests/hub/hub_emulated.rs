//! Boot, pairing, a sample, a prompt on the screen, a press; resets and power cuts in between.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use hearth_hardware_tests::hub::board::{Board, Button, blank_card, emulator};
use hearth_hardware_tests::hub::far_end::FarEnd;
use hearth_hardware_tests::hub::picture::Picture;
use hearth_hub::screen::text::Text;
use hearth_hub::screen::words::Words;
use hearth_hub::screen::{Offered, Shown, View, draw};
use hearth_shared::assess::alerts::Limits;
use hearth_shared::wire::{
    Choice, Content, HubId, Offer, Person, Prompt, PromptId, PromptState, RecordId, ResetCause,
    ToHub,
};

const SERIAL: u64 = 0x4845_4152_5448_0001;
const TEXT: &str = "Please measure your blood pressure today.";
const WORDS: [(Choice, &str); 3] =
    [(Choice::DONE, "Done"), (Choice::LATER, "Later"), (Choice::HELP, "Help")];

/// The program, built for its chip; `None` with a word where that is not possible here.
fn program() -> Option<PathBuf> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAM
        .get_or_init(|| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
            let built = Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--locked", "--profile", "firmware"])
                .args(["-p", "hearth-board-lm3s6965", "--target", "thumbv7m-none-eabi"])
                .current_dir(&root)
                .status()
                .unwrap();
            if !built.success() {
                println!("left out: rustup target add thumbv7m-none-eabi");
                return None;
            }
            let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("..");
            Some(target.join("thumbv7m-none-eabi/firmware/lm3s6965evb"))
        })
        .clone()
}

struct Bench {
    emulator: PathBuf,
    program: PathBuf,
    folder: tempfile::TempDir,
    far: FarEnd,
}

impl Bench {
    fn new() -> Option<Self> {
        let Some(emulator) = emulator() else {
            println!("left out: qemu-system-arm is not installed");
            return None;
        };
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        blank_card(&folder.path().join("card"), SERIAL).unwrap();
        Some(Self { emulator, program, folder, far: FarEnd::new([7; 32], true) })
    }

    fn power_on(&self) -> Board {
        let card = self.folder.path().join("card");
        Board::start(&self.emulator, &self.program, &card, self.folder.path()).unwrap()
    }

    /// Carries octets both ways until something holds; the board runs in real time.
    fn until(&mut self, board: &mut Board, what: &str, holds: impl Fn(&FarEnd) -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds(&self.far) {
            assert!(Instant::now() < end, "{what}: not within a minute; {:?}", self.far.records);
            self.carry(board);
        }
    }

    fn carry(&mut self, board: &mut Board) {
        let heard = board.hear().unwrap();
        self.far.hear(&heard, 1_790_000_000_000);
        let out = self.far.take_out();
        board.say(&out).unwrap();
    }

    fn during(&mut self, board: &mut Board, long: Duration) {
        let end = Instant::now() + long;
        while Instant::now() < end {
            self.carry(board);
        }
    }

    fn prompt(&mut self, id: PromptId) {
        let answers = WORDS.map(|(choice, word)| Offer { choice, word }).into_iter().collect();
        assert!(self.far.say(&ToHub::Prompt(Prompt {
            id,
            level: 0,
            right_to_left: false,
            expires_in_s: 3600,
            text: TEXT,
            answers,
        })));
    }

    fn answers(&self) -> usize {
        self.far.records.iter().filter(|(_, c)| matches!(c, Content::Answer(_))).count()
    }
}

/// The page of the prompt as the library draws it here.
fn drawn(turn: u32) -> Picture {
    let offers = WORDS.map(|(choice, word)| Offered { choice, word });
    let shown = Shown { title: "", text: Text::left(TEXT), level: 0, offers: &offers, turn };
    let mut picture = Picture::default();
    draw(&View::Prompt(shown), Words::of(*b"en"), &mut picture).unwrap();
    picture
}

fn is_sample(content: &Content, grams: i32) -> bool {
    matches!(content, Content::Sample(sample) if sample.value == grams && sample.quantity == 8)
}

#[test]
fn a_sample_a_prompt_and_a_press_pass_through_the_board_and_outlive_a_reset() {
    let Some(mut bench) = Bench::new() else { return };
    let mut board = bench.power_on();
    bench.until(&mut board, "pairing", |far| far.sessions == 1 && !far.records.is_empty());
    let hello = bench.far.hello.unwrap();
    assert_eq!((hello.hub, hello.board, hello.boot.0), (HubId(SERIAL), 1, 1));
    assert!(
        matches!(bench.far.records[0].1, Content::Restart(restart) if restart.cause == ResetCause::POWER)
    );

    board.measure(8, 71_200).unwrap();
    bench.until(&mut board, "a sample", |far| far.records.len() == 2);
    assert!(is_sample(&bench.far.records[1].1, 71_200));

    // The number to compare stands after pairing; a press takes it off.
    board.press(Button::Second).unwrap();
    let prompt = PromptId([9; 16]);
    let shown = PromptState { prompt, state: PromptState::SHOWN };
    bench.prompt(prompt);
    bench.until(&mut board, "the prompt", |far| far.prompts.contains(&shown));
    bench.during(&mut board, Duration::from_millis(300));
    let screen = board.screen().unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join("hub-prompt.pgm"), screen.pgm()).unwrap();
    assert_eq!(screen, drawn(0), "the board draws what the library draws here");
    assert_eq!(screen.text(), include_str!("prompt.txt"), "golden picture");

    // Pressed, and power goes before the gateway has heard of it.
    bench.during(&mut board, Duration::from_millis(800));
    board.press(Button::First).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    drop(board);
    assert_eq!(bench.answers(), 0);
    bench.far.restart();

    let mut board = bench.power_on();
    bench.until(&mut board, "the answer", |far| {
        far.records.iter().any(|(_, c)| matches!(c, Content::Answer(_)))
    });
    let answer = bench.far.records.iter().find_map(|(_, content)| match content {
        Content::Answer(answer) => Some(*answer),
        _ => None,
    });
    assert_eq!(answer.map(|a| (a.prompt, a.choice)), Some((prompt, Choice::DONE)));
    // The gateway does not know yet that it was answered, and sends it again.
    bench.prompt(prompt);
    let known = PromptState { prompt, state: PromptState::ANSWERED };
    bench.until(&mut board, "the state", |far| far.prompts.contains(&known));
    board.press(Button::First).unwrap();
    bench.during(&mut board, Duration::from_secs(1));
    assert_eq!(bench.answers(), 1, "answered once");
    assert_eq!(bench.far.hello.unwrap().boot.0, 2);
}

#[test]
fn the_rules_run_on_the_board_and_the_memory_suffices() {
    let Some(mut bench) = Bench::new() else { return };
    let mut board = bench.power_on();
    bench.until(&mut board, "pairing", |far| far.sessions == 1 && !far.records.is_empty());
    for slot in [0, 1] {
        let limits = Limits::default();
        let person = Person { slot, present: true, prompts: true, start: 0, limits };
        assert!(bench.far.say(&ToHub::Person(person)));
    }
    bench.during(&mut board, Duration::from_millis(300));
    // 2.5 mmol/L: very low. The gateway takes no part in what follows.
    board.measure(1, 2500).unwrap();
    bench.until(&mut board, "the alert", |far| {
        far.records.iter().any(|(_, content)| {
            matches!(content, Content::Alert(alert) if (alert.rule, alert.level) == (0, 2))
        })
    });
    bench.during(&mut board, Duration::from_millis(300));
    let words = Words::of(*b"en");
    let offers = [(Choice::DONE, words.done), (Choice::HELP, words.help)]
        .map(|(choice, word)| Offered { choice, word });
    let (title, text) = (words.quantities[0], Text::left(words.critical));
    let mut expected = Picture::default();
    let shown = Shown { title, text, level: 3, offers: &offers, turn: 0 };
    draw(&View::Prompt(shown), words, &mut expected).unwrap();
    assert_eq!(board.screen().unwrap(), expected);

    // The start-up code painted all memory between what is static, below, and the stack, above: up to where
    // the paint begins, and from where it ends, memory was used.
    let memory = board.memory(0x2000_0000, 64 * 1024).unwrap();
    let words: Vec<bool> = memory.chunks(4).map(|word| *word == [0xCC; 4]).collect();
    let fixed = words.iter().position(|paint| *paint).unwrap();
    let free = words[fixed..].iter().position(|paint| !*paint).unwrap();
    let used = (words.len() - free) * 4;
    println!("memory: {} octets static, {} of stack at the deepest", fixed * 4, used - fixed * 4);
    assert!(used <= 48 * 1024, "{used} octets of memory");
    assert_eq!(bench.far.hello.unwrap().boot.0, 1, "it did not start over meanwhile");
}

#[test]
fn a_program_that_hangs_or_faults_starts_over_and_says_why() {
    let Some(mut bench) = Bench::new() else { return };
    let mut board = bench.power_on();
    bench.until(&mut board, "pairing", |far| far.sessions == 1 && !far.records.is_empty());
    let causes = |far: &FarEnd| -> Vec<ResetCause> {
        let restarts = far.records.iter().filter_map(|(_, content)| match content {
            Content::Restart(restart) => Some(restart.cause),
            _ => None,
        });
        restarts.collect()
    };
    board.hang().unwrap();
    bench.until(&mut board, "the watchdog", |far| causes(far).len() == 2);
    board.fault().unwrap();
    bench.until(&mut board, "the fault", |far| causes(far).len() == 3);
    let expected = [ResetCause::POWER, ResetCause::WATCHDOG, ResetCause::PANIC];
    assert_eq!(causes(&bench.far), expected);
    assert_eq!(bench.far.hello.unwrap().cause, ResetCause::PANIC);
    let line = bench.far.records.iter().rev().find_map(|(_, content)| match content {
        Content::Restart(restart) => Some(restart.detail),
        _ => None,
    });
    assert!(line.is_some_and(|line| line > 0), "the line of the fault is told");
}

#[test]
fn with_power_cuts_resets_and_kills_at_random_every_sample_arrives_once() {
    let Some(mut bench) = Bench::new() else { return };
    let seed: u64 = 0x5EED_0003;
    println!("seed {seed:#x}");
    let mut x = seed;
    let mut below = move |n: u64| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 20) % n
    };
    // What was measured, and whether it is certain that the hub has kept it.
    let mut made: Vec<(i32, bool)> = Vec::new();
    let rounds = if std::env::var_os("HEARTH_SLOW").is_some() { 60 } else { 8 };
    for _ in 0..rounds {
        let mut board = bench.power_on();
        for _ in 0..=below(3) {
            // A gateway that hears and does not commit: the records stay with the hub.
            bench.far.commits = below(3) > 0;
            for _ in 0..below(5) {
                let grams = 60_000 + i32::try_from(made.len()).unwrap();
                board.measure(8, grams).unwrap();
                bench.until(&mut board, "a sample", |far| {
                    far.heard.iter().any(|(_, content)| is_sample(content, grams))
                });
                made.push((grams, true));
            }
            // And one in whose midst something happens.
            let grams = 60_000 + i32::try_from(made.len()).unwrap();
            board.measure(8, grams).unwrap();
            made.push((grams, false));
            bench.during(&mut board, Duration::from_millis(below(60)));
            match below(4) {
                0 => bench.far.restart(),
                1 => board.reset().unwrap(),
                _ => {}
            }
        }
    }
    bench.far.commits = true;
    let mut board = bench.power_on();
    let grams = 60_000 + i32::try_from(made.len()).unwrap();
    board.measure(8, grams).unwrap();
    made.push((grams, true));
    bench.until(&mut board, "the last sample", |far| {
        far.records.iter().any(|(_, content)| is_sample(content, grams))
    });
    let arrived: Vec<i32> = bench
        .far
        .records
        .iter()
        .filter_map(|(_, content)| match content {
            Content::Sample(sample) => Some(sample.value),
            _ => None,
        })
        .collect();
    let expected: Vec<i32> = made
        .iter()
        .filter(|(grams, certain)| *certain || arrived.contains(grams))
        .map(|(grams, _)| *grams)
        .collect();
    println!("{} measured, {} arrived, {} sessions", made.len(), arrived.len(), bench.far.sessions);
    assert_eq!(arrived, expected, "each once, in order");
    let ids: Vec<RecordId> = bench.far.records.iter().map(|(id, _)| *id).collect();
    assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]));
}
