//! The one SQLite file: one writer, some readers. The only room that names rusqlite.

use rusqlite::Connection;

pub mod outbox;
pub mod watermark;

/// What went wrong in the store; a variant per thing a caller does differently.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite refused.
    #[error("the database answered: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A message could not be written as JSON: a bug.
    #[error("a message could not be written as JSON: {0}")]
    Message(serde_json::Error),
}

/// The single writer of the database file.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
}

/// One write transaction: everything in it is durable together, or none of it.
#[derive(Debug)]
pub struct Tx<'s> {
    transaction: rusqlite::Transaction<'s>,
}

/// A reader with a connection of its own; never delays a commit.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

/// Anything that can be asked: a reader, or a writer inside its transaction.
pub trait Queries {
    /// The connection to ask; for the files of this room only.
    #[doc(hidden)]
    fn connection(&self) -> &Connection;
}

impl Queries for Tx<'_> {
    fn connection(&self) -> &Connection {
        &self.transaction
    }
}

impl Queries for Reader {
    fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Store {
    /// Runs `work` in one immediate transaction and commits it.
    ///
    /// # Errors
    /// What `work` returned, after a rollback, or what the commit answered.
    pub fn transaction<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(StoreError::from)?;
        let tx = Tx { transaction };
        let value = work(&tx)?;
        tx.transaction.commit().map_err(StoreError::from)?;
        Ok(value)
    }
}
