#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hearth_fuzz::gatt::numbers_and_time(data));
