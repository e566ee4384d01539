//! Structured logs to stderr, and a panic that tells where it happened but not what it held.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{Log, LogFormat};
use crate::radio::central::is_library_panic;

/// Starts logging. `HEARTH_LOG` may name another filter, as tracing-subscriber documents it.
pub(super) fn start(log: &Log) {
    let wanted = std::env::var("HEARTH_LOG").ok().filter(|text| !text.is_empty());
    let default = format!("error,hearth_gateway={}", log.level.as_str());
    let filter = wanted
        .and_then(|text| EnvFilter::try_new(text).ok())
        .unwrap_or_else(|| EnvFilter::new(default));
    let colour = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(colour);
    // A second subscriber (several gateways in one test process) is no fault.
    let _ = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_target(false).try_init(),
    };
}

/// A panic is a fault of ours: its place is logged, its message not, because that may hold data.
pub(super) fn panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        if info.location().is_some_and(|at| is_library_panic(at.file())) {
            tracing::warn!(
                "a background task of the Bluetooth library failed; it is counted and survived"
            );
            return;
        }
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(place, thread, "a fault in hearth; nothing acknowledged is lost");
    }));
}
