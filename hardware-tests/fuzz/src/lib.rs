//! The functions that the fuzz targets call. The seeded tests of `shared` and `gateway` call the
//! same files.

pub mod gateway;
pub mod gatt;
