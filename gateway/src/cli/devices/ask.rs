//! Carries a conversation out: hears the radio over the control socket, shows lines, reads answers from
//! stdin, and closes the window when the person stops it.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use serde_json::Value;

use super::super::client::{Daemon, internal};
use super::super::exit::{Exit, Failure};
use super::super::print::{self, Format};
use super::talk::{Act, Talk};
use crate::control::query::{Answer, Request};
use crate::requests::{PersonSays, RadioAnswer, RadioRequest, Told};

/// Between two questions that brought no news.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks the radio once.
///
/// # Errors
/// No gateway answers, it has no radio, or the radio refuses.
pub(super) fn radio(daemon: &Daemon, request: RadioRequest) -> Result<RadioAnswer, Failure> {
    match daemon.ask(&Request::Radio { request })? {
        Answer::Done { result } => serde_json::from_value(result).map_err(internal),
        other => Err(internal(format!("{other:?}"))),
    }
}

/// Why a conversation ended before it was done.
enum End {
    /// The radio said so: its window is closed.
    Told(Failure),
    /// Something on this side: the window is still open.
    Here(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Here(failure)
    }
}

/// What is done once the device is on the roster, under this id.
pub(super) type OnEnrolled<'f> = &'f mut dyn FnMut(&str) -> Result<Value, Failure>;

/// Opens the conversation with `first` and leads it to its end.
///
/// # Errors
/// The conversation failed, or the person stopped it; the window is closed then.
pub(super) fn converse(
    daemon: &Daemon,
    format: Format,
    first: RadioRequest,
    talk: &mut Talk,
    enrolled: OnEnrolled<'_>,
) -> Result<(), Failure> {
    radio(daemon, first)?;
    let mut leading = Leading {
        daemon,
        screen: Screen::new(format),
        stdin: None,
        stopped: stop_flag(),
        enrolled,
    };
    match leading.listen(talk) {
        Ok(()) => Ok(()),
        Err(End::Told(failure)) => Err(failure),
        Err(End::Here(failure)) => {
            // Nobody leads it any more. Where the radio cannot be told, the window closes by itself.
            let _ = radio(daemon, RadioRequest::Cancel);
            Err(failure)
        }
    }
}

struct Leading<'a> {
    daemon: &'a Daemon,
    screen: Screen,
    stdin: Option<Receiver<String>>,
    stopped: Arc<AtomicBool>,
    enrolled: OnEnrolled<'a>,
}

impl Leading<'_> {
    fn listen(&mut self, talk: &mut Talk) -> Result<(), End> {
        let mut after = 0;
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                let failure = Failure::new(Exit::Negative, "Stopped; the window is closed");
                return Err(Failure { code: "stopped".to_owned(), ..failure }.into());
            }
            let lines = match radio(self.daemon, RadioRequest::Hear { after })? {
                RadioAnswer::Told { lines } => lines,
                other => return Err(internal(format!("{other:?}")).into()),
            };
            for told in lines.iter().filter(|told| told.n > after) {
                self.screen.told(told)?;
                for act in talk.on(&told.what) {
                    if self.act(act)? {
                        return Ok(());
                    }
                }
            }
            after = lines.iter().map(|told| told.n).fold(after, u64::max);
            if talk.waits() {
                self.typed(talk)?;
            }
            if lines.is_empty() {
                // The radio waits for news itself; one that does not is not asked without a pause.
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// True: it is over, and well.
    fn act(&mut self, act: Act) -> Result<bool, End> {
        match act {
            Act::Say(line) => self.screen.line(&line)?,
            Act::Progress(line) => self.screen.progress(&line)?,
            Act::Ask(line) => {
                self.screen.question(&line)?;
                if self.stdin.is_none() {
                    self.stdin = Some(lines_of_stdin());
                }
            }
            Act::Answer(says) => self.answer(says)?,
            Act::Enrolled(device) => {
                let result = (self.enrolled)(&device)?;
                if !result.is_null() {
                    self.screen.result(&result)?;
                }
            }
            Act::Done => {
                self.screen.end()?;
                return Ok(true);
            }
            Act::Failed(code, sentence, next) => {
                self.screen.end()?;
                let failure = Failure::new(Exit::Negative, sentence).next(next);
                return Err(End::Told(Failure { code, ..failure }));
            }
        }
        Ok(false)
    }

    fn answer(&self, says: PersonSays) -> Result<(), Failure> {
        radio(self.daemon, RadioRequest::Answer(says)).map(drop)
    }

    /// Takes what the person has typed meanwhile; the radio goes on being heard while they think.
    fn typed(&mut self, talk: &mut Talk) -> Result<(), End> {
        let Some(stdin) = &self.stdin else { return Ok(()) };
        match stdin.try_recv() {
            Ok(line) => {
                for act in talk.typed(&line) {
                    self.act(act)?;
                }
                Ok(())
            }
            Err(TryRecvError::Empty) => Ok(()),
            Err(TryRecvError::Disconnected) => {
                let failure = Failure::new(
                    Exit::Negative,
                    "The question was not answered: stdin has ended",
                )
                .next("answer on a terminal, on stdin, or beforehand: --passkey 123456, --yes");
                Err(Failure { code: "no_answer".to_owned(), ..failure }.into())
            }
        }
    }
}

/// Lines of stdin as they come, read beside the conversation.
fn lines_of_stdin() -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Becomes true at the first Ctrl-C; the second ends the process as ever, because this one has gone.
pub(super) fn stop_flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = flag.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // Without it Ctrl-C ends the process at once, and the window closes by itself.
        let Ok(runtime) = runtime else { return };
        let mut told = 0;
        while runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            told += 1;
            set.store(true, Ordering::Relaxed);
            if told > 1 {
                std::process::exit(130);
            }
        }
    });
    flag
}

/// Where a conversation is shown: lines for people, JSON lines for programs.
struct Screen {
    json: bool,
    terminal: bool,
    /// A line of progress, not yet ended; in a pipe it is kept back until it is final.
    open: Option<String>,
}

impl Screen {
    fn new(format: Format) -> Self {
        Self { json: format.json, terminal: std::io::stdout().is_terminal(), open: None }
    }

    /// The line as the radio told it, for programs.
    fn told(&self, told: &Told) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let text = serde_json::to_string(told).map_err(internal)?;
        print::out(&format!("{text}\n"))
    }

    /// What the gateway made of a command meanwhile.
    fn result(&mut self, result: &Value) -> Result<(), Failure> {
        if self.json {
            print::out(&format!("{result}\n"))
        } else {
            self.line(&print::cell(result.get("sentence")))
        }
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        self.end()?;
        print::out(&format!("{}\n", print::printable(line)))
    }

    fn progress(&mut self, line: &str) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        self.open = Some(line.to_owned());
        if self.terminal { print::out(&format!("\r{line}\u{1b}[K")) } else { Ok(()) }
    }

    /// Questions go to stderr, so that a pipe of answers stays clean.
    fn question(&mut self, line: &str) -> Result<(), Failure> {
        self.end()?;
        let mut stderr = std::io::stderr().lock();
        let _ = stderr.write_all(format!("{line} ").as_bytes()).and_then(|()| stderr.flush());
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        match self.open.take() {
            None => Ok(()),
            Some(_) if self.terminal => print::out("\n"),
            Some(line) => print::out(&format!("{line}\n")),
        }
    }
}

#[cfg(test)]
mod tests;
