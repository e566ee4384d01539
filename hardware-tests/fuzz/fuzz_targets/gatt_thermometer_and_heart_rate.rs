#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hearth_fuzz::gatt::thermometer_and_heart_rate(data));
