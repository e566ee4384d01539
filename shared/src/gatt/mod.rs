//! Characteristic octets to measurements.
