//! All people of all files, two at a time, in the order of the files.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};

use super::plans::Plans;
use super::run::{self, Replayed, RunError};
use super::settings::Options;
use super::source::{self, Found, LineCounts, Series, SourceFile};

/// People replayed at the same time; each has a database in memory.
const WORKERS: usize = 2;
/// People that may be finished before their turn: bounds memory when one takes long.
const AHEAD_MAX: usize = 64;

/// What is told while it runs.
pub trait Watch: Sync {
    /// Octets of files were read.
    fn read(&self, octets: u64);
    /// A person is done.
    fn done(&self, records: u64);
}

/// The sums of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// What the lines of the files were.
    pub lines: LineCounts,
    /// Where the records went.
    pub counts: super::patient::Counts,
    /// People.
    pub people: u64,
}

impl Totals {
    /// Whether every line ended somewhere.
    pub fn add_up(&self) -> bool {
        let LineCounts { lines, headers, blank, joined } = self.lines;
        self.counts.add_up() && lines == self.counts.records + headers + blank + joined
    }
}

/// Hands out people in order; files are read when their turn comes.
struct Feed {
    groups: std::vec::IntoIter<Vec<SourceFile>>,
    open: std::vec::IntoIter<Series>,
    lines: LineCounts,
    next: usize,
}

impl Feed {
    fn next(&mut self, watch: &dyn Watch) -> Option<(usize, Result<Series, RunError>)> {
        loop {
            if let Some(series) = self.open.next() {
                self.next += 1;
                return Some((self.next - 1, Ok(series)));
            }
            let group = self.groups.next()?;
            match source::read(&group, &|octets| watch.read(octets)) {
                Ok((series, lines)) => {
                    self.lines.add(lines);
                    self.open = series.into_iter();
                }
                Err(error) => {
                    self.next += 1;
                    return Some((self.next - 1, Err(error.into())));
                }
            }
        }
    }
}

/// Replays everybody; `each` is called in the order of the files.
///
/// # Errors
/// The first failure of a replay or of `each`; what was under way is given up.
pub fn everybody<E: From<RunError>>(
    found: &Found,
    options: &Options,
    plans: &Plans,
    watch: &dyn Watch,
    mut each: impl FnMut(Replayed) -> Result<(), E>,
) -> Result<Totals, E> {
    let feed = Mutex::new(Feed {
        groups: source::groups(&found.files).into_iter(),
        open: Vec::new().into_iter(),
        lines: LineCounts::default(),
        next: 0,
    });
    let (stop, turn) = (AtomicBool::new(false), (Mutex::new(0usize), Condvar::new()));
    let mut totals = Totals::default();
    let result = std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..WORKERS {
            let sender = sender.clone();
            let (feed, stop, turn) = (&feed, &stop, &turn);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let Some((place, series)) = lock(feed).next(watch) else { break };
                    let mut emitted = lock(&turn.0);
                    while place >= *emitted + AHEAD_MAX && !stop.load(Ordering::Relaxed) {
                        emitted = turn.1.wait(emitted).unwrap_or_else(PoisonError::into_inner);
                    }
                    drop(emitted);
                    let replayed = series.and_then(|series| run::series(&series, options, plans));
                    if sender.send((place, replayed)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting: BTreeMap<usize, Result<Replayed, RunError>> = BTreeMap::new();
        let mut result = Ok(());
        for (place, replayed) in receiver {
            waiting.insert(place, replayed);
            loop {
                let mut emitted = lock(&turn.0);
                let Some(replayed) = waiting.remove(&emitted) else { break };
                *emitted += 1;
                drop(emitted);
                turn.1.notify_all();
                let handed = replayed.map_err(E::from).and_then(|replayed| {
                    let counts = replayed.patient.counts;
                    totals.counts.add(counts);
                    totals.people += 1;
                    watch.done(counts.records);
                    each(replayed)
                });
                if result.is_ok() && handed.is_err() {
                    result = handed;
                    stop.store(true, Ordering::Relaxed);
                    turn.1.notify_all();
                }
            }
            if result.is_err() {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        turn.1.notify_all();
        result
    });
    totals.lines = lock(&feed).lines;
    result.map(|()| totals)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
