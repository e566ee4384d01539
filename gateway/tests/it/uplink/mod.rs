//! The uplink against real brokers: the embedded one, and Mosquitto where it is installed.

mod brokers;
mod custody;
mod gateway;
mod refusals;
