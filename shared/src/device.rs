//! Which device, and which of its records.

use serde::{Deserialize, Serialize};

/// A slot of a device that serves several people (cuff or scale user id); never a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserSlot(pub u8);

/// The record number a device gave; it can restart, so alone it identifies nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sequence(pub u16);
