//! The functions that the fuzz targets call. `shared`'s seeded tests call the same file.

pub mod gatt;
