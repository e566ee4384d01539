//! To be written.
use crate::clock::Now;
use crate::control::Command;
use crate::intake::{Arrival, Outcome};
use crate::store::{Store, StoreError};
use crate::uplink::message::Answer;
use crate::writer::Origin;
use hearth_shared::time::UnixMillis;

/// x
#[derive(Debug)]
pub struct Path {
    store: Store,
}
impl Path {
    /// x
    pub fn new(store: Store) -> Self {
        Self { store }
    }
    /// x
    pub fn take(&mut self, _a: &[Arrival]) -> Result<Vec<Outcome>, StoreError> {
        Ok(vec![])
    }
    /// x
    pub fn tick(&mut self, _now: Now) -> Result<Option<UnixMillis>, StoreError> {
        Ok(None)
    }
    /// x
    pub fn execute(&mut self, _c: &Command, _o: Origin, _n: Now) -> Result<Answer, StoreError> {
        Ok(Answer::refused("gw", "commands", None, "not yet"))
    }
    /// x
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }
}
