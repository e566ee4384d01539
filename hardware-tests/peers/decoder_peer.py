#!/usr/bin/env python3
"""Decodes the same glucose values with the PyPI library bluetooth-sig; prints one JSON line: values, seconds."""
import json
import sys
import time

from bluetooth_sig.gatt.characteristics.glucose_measurement import GlucoseMeasurementCharacteristic

values = [bytearray.fromhex(line) for line in sys.stdin]
decoder = GlucoseMeasurementCharacteristic()
started, failed = time.perf_counter(), 0
for value in values:
    try:
        decoder.parse_value(value)
    except Exception:  # the library raises its own and built-in errors
        failed += 1
print(json.dumps({"values": len(values), "failed": failed, "seconds": time.perf_counter() - started}))
