//! Messages out with their own outbox, commands in.
//!
//! [`machine`] decides and does no I/O; [`task`] carries its actions; `broker.rs` is the only file that
//! names rumqttc. Invariants: a row is acknowledged only by a reason code below 0x80; what the broker
//! acknowledged is kept until the consumers confirm it; nothing incoming is acknowledged before it is
//! committed; an alert never waits for the backlog.

pub mod message;

pub mod topics;

pub mod reason;

pub mod source;

pub mod render;

pub mod incoming;

pub(crate) mod lane;

pub mod machine;

pub mod transport;

pub mod broker;

pub mod task;

pub use machine::{Pace, UplinkView};
pub use source::{OutboxSource, UplinkWrite, UplinkWritten, WriteRequest, apply};
pub use task::{UplinkError, UplinkPorts, UplinkSettings, run};

pub mod contract;
