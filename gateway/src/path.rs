//! To be written.
use crate::clock::Now;
use crate::control::Command;
use crate::control::execute::{CommandResult, Origin};
use crate::intake::{Arrival, Outcome};
use crate::store::{Store, StoreError};
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
    pub fn execute(
        &mut self,
        _c: &Command,
        _o: Origin,
        _n: Now,
    ) -> Result<CommandResult, StoreError> {
        Ok(CommandResult {
            id: String::new(),
            done: false,
            code: "x".into(),
            sentence: "not yet".into(),
            remarks: vec![],
            result: serde_json::Value::Null,
        })
    }
    /// x
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }
}
