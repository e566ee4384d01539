//! Messages out with their own outbox, commands in; `broker.rs` is the only file that names rumqttc.

pub mod message;
