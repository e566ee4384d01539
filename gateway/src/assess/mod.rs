//! Fetches what the shared rules need, lets them judge, and hands back what they say.

pub mod live;

pub mod wording;
