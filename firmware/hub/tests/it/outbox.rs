//! The outbox beside a plain list, with power cut at every operation of the flash.

use super::stand_in::{Flash, PAGE};
use hearth_hub::memory::{Memory, Slot};
use hearth_hub::outbox::{Extent, Kept, Outbox, RECORD_BUFFER, RESERVED, RecordBuffer};
use hearth_shared::wire::{
    Answer, BootId, Choice, Content, HubTicks, Loss, PromptId, RecordId, Sample, Stamp,
};

const PAGES: usize = 6;

fn extent(pages: usize) -> Extent {
    Extent { start: 0, end: (pages * PAGE) as u32 }
}

fn stamp(ticks: u64) -> Stamp {
    Stamp { ticks: HubTicks::from_millis(ticks), utc_ms: Some(1_790_000_000_000) }
}

fn sample(value: i32) -> Content {
    Content::Sample(Sample {
        sensor: 0,
        quantity: 8,
        absent: 0,
        value,
        second: 0,
        raw: i32::MAX - value,
        unit: 9,
        marks: 0,
        person: 0,
    })
}

fn answer(n: u8) -> Content {
    Content::Answer(Answer { prompt: PromptId([n; 16]), choice: Choice::DONE, after_ms: 9 })
}

/// Everything an outbox holds, read the way the link reads it.
fn all(outbox: &mut Outbox<Flash>) -> Vec<(RecordId, Content)> {
    let mut found = Vec::new();
    let mut after = None;
    let mut buffer: RecordBuffer = [0; RECORD_BUFFER];
    while let Some(record) = outbox.next(after, &mut buffer).unwrap() {
        assert_eq!(record.after, after);
        after = Some(record.id);
        found.push((record.id, record.read().unwrap()));
    }
    found
}

/// What the same steps do to a plain list.
#[derive(Clone, Default)]
struct Model {
    kept: Vec<(RecordId, Content)>,
    /// A record whose keeping was cut: it may be there or not.
    perhaps: Option<(RecordId, Content)>,
    /// An acknowledgement that was cut: some of these may be gone, from the oldest.
    perhaps_gone: usize,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Sample(i32),
    Answer(u8),
    /// Acknowledge this many of the oldest.
    Ack(usize),
    /// Start again, as after a reset.
    Boot,
}

fn steps(seed: u64, count: usize) -> Vec<Step> {
    let mut x = seed;
    let mut below = move |n: u64| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 20) % n
    };
    (0..count)
        .map(|i| match below(40) {
            0..27 => Step::Sample(i as i32),
            27..33 => Step::Answer(i as u8),
            33..39 => Step::Ack(below(30) as usize),
            _ => Step::Boot,
        })
        .collect()
}

/// Runs the steps until the end or until power goes; `true` if it went.
fn run(flash: &Flash, steps: &[Step], model: &mut Model) -> bool {
    let mut boot = 1;
    let open = |boot| Outbox::open(flash.clone(), extent(PAGES), BootId(boot), |_| {});
    let Ok(mut outbox) = open(boot) else { return true };
    for step in steps {
        match *step {
            Step::Sample(_) | Step::Answer(_) => {
                let content = match *step {
                    Step::Sample(value) => sample(value),
                    Step::Answer(n) => answer(n),
                    _ => unreachable!(),
                };
                let number = model.kept.last().filter(|(id, _)| id.boot.0 == boot);
                let next = outbox.newest().filter(|id| id.boot.0 == boot).or(number.map(|r| r.0));
                match outbox.keep(stamp(7), &content) {
                    Ok(Kept::Yes(id)) => {
                        assert!(next.is_none_or(|before| id.number == before.number + 1));
                        model.kept.push((id, content));
                    }
                    Ok(Kept::Full) => {}
                    Err(_) => {
                        // Its number is the next of this boot, whatever that was.
                        let id = RecordId { boot: BootId(boot), number: 0 };
                        model.perhaps = Some((id, content));
                        return true;
                    }
                }
            }
            Step::Ack(count) => {
                let count = count.min(model.kept.len());
                let Some(through) = count.checked_sub(1).map(|last| model.kept[last].0) else {
                    continue;
                };
                match outbox.acknowledge(through) {
                    Ok(erased) => {
                        assert_eq!(erased as usize, count);
                        model.kept.drain(..count);
                    }
                    Err(_) => {
                        model.perhaps_gone = count;
                        return true;
                    }
                }
            }
            Step::Boot => {
                boot += 1;
                match open(boot) {
                    Ok(opened) => outbox = opened,
                    Err(_) => return true,
                }
            }
        }
        assert_eq!(outbox.kept() as usize, model.kept.len());
        assert_eq!(outbox.oldest(), model.kept.first().map(|r| r.0));
        assert_eq!(outbox.newest(), model.kept.last().map(|r| r.0));
    }
    false
}

/// What is found after power came back is what the list says, but for the step that was cut.
fn check(flash: &Flash, model: &Model, what: &str) {
    let mut outbox = Outbox::open(flash.clone(), extent(PAGES), BootId(1000), |_| {}).expect(what);
    let found = all(&mut outbox);
    let mut tail = found.as_slice();
    if let (Some((_, content)), Some((last, rest))) = (&model.perhaps, found.split_last())
        && found.len() > model.kept.len()
    {
        assert_eq!(last.1, *content, "{what}");
        tail = rest;
    }
    let gone = model.kept.len() - tail.len().min(model.kept.len());
    assert!(gone <= model.perhaps_gone, "{what}: {gone} lost");
    assert_eq!(tail, &model.kept[gone..], "{what}");
    // And it goes on: the next one is kept behind the others.
    let Ok(Kept::Yes(id)) = outbox.keep(stamp(8), &answer(77)) else { return };
    assert_eq!(id, RecordId { boot: BootId(1000), number: 1 });
    assert_eq!(all(&mut outbox).len(), found.len() + 1, "{what}");
}

#[test]
fn a_long_history_leaves_what_a_plain_list_holds() {
    for seed in 1..=20 {
        let flash = Flash::blank(PAGES);
        let mut model = Model::default();
        assert!(!run(&flash, &steps(seed, 3000), &mut model), "seed {seed}");
        check(&flash, &model, &format!("seed {seed}"));
    }
}

#[test]
fn power_cut_at_every_operation_loses_nothing_that_was_kept() {
    let slow = std::env::var_os("HEARTH_SLOW").is_some();
    let steps = steps(7, if slow { 3000 } else { 400 });
    let whole = Flash::blank(PAGES);
    run(&whole, &steps, &mut Model::default());
    let operations = whole.operations();
    assert!(operations > 450, "{operations}");
    println!("{operations} operations");
    for cut in 0..operations {
        let flash = Flash::blank(PAGES);
        flash.cut_at(cut);
        let mut model = Model::default();
        assert!(run(&flash, &steps, &mut model), "cut {cut} was not felt");
        flash.power_on();
        check(&flash, &model, &format!("cut {cut}"));
    }
}

#[test]
fn when_room_is_short_samples_are_refused_and_answers_are_kept() {
    let flash = Flash::blank(PAGES);
    let mut outbox = Outbox::open(flash, extent(PAGES), BootId(1), |_| {}).unwrap();
    let mut samples = 0;
    while let Kept::Yes(_) = outbox.keep(stamp(1), &sample(samples)).unwrap() {
        samples += 1;
    }
    assert!(samples > 200, "{samples}");
    let mut answers = 0;
    while let Kept::Yes(_) = outbox.keep(stamp(1), &answer(answers)).unwrap() {
        answers += 1;
    }
    println!("{samples} samples and then {answers} answers in {PAGES} pages");
    assert!(answers >= 100, "{answers}");
    assert!(u32::from(answers) * 40 >= RESERVED / 2);
    // Nothing was overwritten, and room comes back with acknowledgements.
    let kept = all(&mut outbox);
    assert_eq!(kept.len(), samples as usize + usize::from(answers));
    assert_eq!(kept[0].1, sample(0));
    let erased = outbox.acknowledge(kept[250].0).unwrap();
    assert_eq!(erased, 251);
    assert!(matches!(outbox.keep(stamp(2), &Content::Loss(Loss::default())), Ok(Kept::Yes(_))));
    assert!(matches!(outbox.keep(stamp(2), &sample(1)), Ok(Kept::Yes(_) | Kept::Full)));
}

#[test]
fn thousands_fit_the_extent_of_a_board() {
    let pages = hearth_hub::outbox::PAGES_MAX;
    let mut outbox = Outbox::open(Flash::blank(pages), extent(pages), BootId(1), |_| {}).unwrap();
    while let Kept::Yes(_) = outbox.keep(stamp(1_000_000), &sample(70_000)).unwrap() {}
    println!("{} samples in 256 KiB", outbox.kept());
    assert!(outbox.kept() >= 4000);
    assert!(outbox.used_permille().unwrap() > 900);
    outbox.clear().unwrap();
    assert_eq!((outbox.kept(), outbox.newest()), (0, None));
}

#[test]
fn an_acknowledgement_of_nothing_known_erases_nothing() {
    let mut outbox = Outbox::open(Flash::blank(PAGES), extent(PAGES), BootId(5), |_| {}).unwrap();
    outbox.keep(stamp(1), &sample(1)).unwrap();
    let id = |boot, number| RecordId { boot: BootId(boot), number };
    assert_eq!(outbox.acknowledge(id(4, 900)), Ok(0));
    assert_eq!(outbox.acknowledge(id(5, 0)), Ok(0));
    assert_eq!(outbox.acknowledge(id(5, 1)), Ok(1));
    assert_eq!(outbox.acknowledge(id(5, 1)), Ok(0));
}

#[test]
fn what_is_remembered_is_the_old_value_or_the_new_one() {
    let whole = Flash::blank(4);
    let write = |flash: &Flash| -> Result<u32, u32> {
        let mut memory = Memory::open(flash.clone(), extent(4)).unwrap();
        let mut done = 0;
        for value in 1..=300_u32 {
            let long = [value as u8; 30];
            memory.remember(Slot::Loss, &(value, long)).map_err(|_| done)?;
            done = value;
        }
        Ok(done)
    };
    assert_eq!(write(&whole), Ok(300));
    for cut in 0..whole.operations() {
        let flash = Flash::blank(4);
        flash.cut_at(cut);
        let done = write(&flash).expect_err("the cut was not felt");
        flash.power_on();
        let mut memory = Memory::open(flash, extent(4)).unwrap();
        let found: Option<(u32, [u8; 30])> = memory.recall(Slot::Loss).unwrap();
        let value = found.map_or(0, |found| found.0);
        assert!(value == done || value == done + 1, "cut {cut}: {value} after {done}");
        assert!(found.is_none_or(|found| found.1 == [value as u8; 30]));
        memory.remember(Slot::Boot, &BootId(9)).unwrap();
        assert_eq!(memory.begin_boot(), Ok(BootId(10)));
    }
}
