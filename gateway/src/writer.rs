//! The one thread that owns the path's only writer. Everybody else asks through a bounded channel; what has arrived
//! meanwhile is committed as one batch.

use std::sync::Arc;
use std::time::Duration;

use hearth_shared::time::UnixMillis;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Now;
use crate::intake::{Arrival, Outcome};
use crate::path::Path;

/// Requests that may wait. Each source has one batch under way, each client one request: a few dozen at most;
/// a full channel slows its source.
const REQUESTS_MAX: usize = 64;

/// Arrivals in one commit: at 0.1 ms each a batch takes about 50 ms, which no alert notices.
const BATCH_MAX: usize = 512;
