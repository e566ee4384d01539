//! Lives through seeds of the simulator, or replays one of them line by line.

use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use hearth_hardware_tests::simulator::{Life, Planted, Violation, live};

/// The gateway, a broker, a consumer and two homes in one process, in virtual time, with faults between any
/// two steps. Everything is drawn from the seed: the same seed is the same life, bit for bit.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  hearth-simulate --seeds 0..10000\n  hearth-simulate --seed 4711 --verbose\n\n\
                  Exit codes: 0 all well, 1 a violation (its seed is printed), 2 wrong usage."
)]
struct Options {
    /// One seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Seeds FROM..TO, without TO.
    #[arg(long, value_parser = range, default_value = "0..10000")]
    seeds: Range<u64>,
    /// Prints every line of the life (with --seed).
    #[arg(long, requires = "seed")]
    verbose: bool,
    /// Threads; default: as many as the machine has.
    #[arg(long)]
    threads: Option<usize>,
    /// Takes a safeguard away, to see whether it is noticed.
    #[arg(long, value_parser = planted)]
    planted: Option<Planted>,
}

fn range(text: &str) -> Result<Range<u64>> {
    let (from, to) = text.split_once("..").context("write FROM..TO, for example 0..10000")?;
    let range = from.trim().parse()?..to.trim().parse()?;
    if range.is_empty() {
        bail!("{text} holds no seed");
    }
    Ok(range)
}

fn planted(word: &str) -> Result<Planted> {
    let known: Vec<_> = Planted::ALL.iter().map(|bug| bug.as_str()).collect();
    let found = Planted::ALL.iter().find(|bug| bug.as_str() == word);
    found.copied().with_context(|| format!("known are: {}", known.join(", ")))
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.seed {
        Some(seed) => one(seed, &options),
        None => many(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(violation) => {
            eprintln!("{violation}");
            ExitCode::FAILURE
        }
    }
}

fn one(seed: u64, options: &Options) -> Result<(), Box<Violation>> {
    let mut out = std::io::stdout().lock();
    let life = live(seed, options.planted, options.verbose.then_some(&mut out as &mut dyn Write))?;
    // A closed pipe is no fault of the seed.
    let _ = writeln!(out, "seed {seed}: {}", numbers(&life));
    let _ = writeln!(out, "digest {:016x}", life.digest);
    Ok(())
}

fn many(options: &Options) -> Result<(), Box<Violation>> {
    let threads = options.threads.unwrap_or_else(|| {
        std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
    });
    let started = Instant::now();
    let next = AtomicU64::new(options.seeds.start);
    let stop = AtomicBool::new(false);
    let sum = Mutex::new((Life::default(), 0_u64));
    let first: Mutex<Option<Box<Violation>>> = Mutex::new(None);
    let tells = std::io::stderr().is_terminal();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= options.seeds.end {
                        return;
                    }
                    match live(seed, options.planted, None) {
                        Ok(life) => {
                            let Ok(mut sum) = sum.lock() else { return };
                            sum.0.add(&life);
                            sum.1 += 1;
                        }
                        Err(violation) => {
                            stop.store(true, Ordering::Relaxed);
                            let Ok(mut first) = first.lock() else { return };
                            if first.as_ref().is_none_or(|v| violation.seed < v.seed) {
                                *first = Some(violation);
                            }
                        }
                    }
                }
            });
        }
        let ended = || {
            stop.load(Ordering::Relaxed)
                || next.load(Ordering::Relaxed)
                    >= options.seeds.end + u64::try_from(threads).unwrap_or(1)
        };
        while tells && !ended() {
            std::thread::sleep(Duration::from_millis(500));
            if let Ok(sum) = sum.lock() {
                eprint!("\r{} seeds, {:.0}/s  ", sum.1, rate(sum.1, started));
            }
        }
        if tells {
            eprintln!();
        }
    });
    if let Ok(Some(violation)) = first.into_inner() {
        return Err(violation);
    }
    if let Ok((life, seeds)) = sum.into_inner() {
        let per_s = rate(seeds, started);
        let took = started.elapsed().as_secs_f64();
        println!("{seeds} seeds without a violation in {took:.1} s ({per_s:.0}/s)");
        println!("{}", numbers(&life));
    }
    Ok(())
}

fn rate(seeds: u64, started: Instant) -> f64 {
    seeds as f64 / started.elapsed().as_secs_f64().max(0.001)
}

fn numbers(life: &Life) -> String {
    format!(
        "{} steps, {} payloads acknowledged, {} messages at the consumer, {} prompts, {} faults, {} crashes",
        life.steps, life.acknowledged, life.messages, life.prompts, life.faults, life.crashes
    )
}
