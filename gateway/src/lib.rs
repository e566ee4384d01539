//! Hearth's gateway as a library. Modules stand in the order of the path of one observation:
//!
//! ```text
//! radio ─► intake ─► assess ─► store ◄─► outreach
//!                                └─► uplink ─► broker       cli ─► control ─► app
//! ```
//!
//! Every room is a machine: an event and the time in, actions out. Only the shells do I/O
//! (`radio::simulated`, `uplink::broker`, `control::socket`, `app`). SQL stands in `store` only.

pub mod clock;

pub mod requests;

pub mod radio;

pub mod intake;

pub mod gatt_json;

pub mod assess;

pub mod programme;

pub mod outreach;

pub mod household;

pub mod store;

pub mod path;

pub mod uplink;

pub mod control;

pub mod replay;

pub mod exchange;

pub mod checked_toml;

pub mod json_lines;

pub mod writer;

pub mod config;

pub mod cli;

pub mod app;
