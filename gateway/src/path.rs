//! To be written.
/// x
#[derive(Debug)]
pub struct Path;
