#!/usr/bin/env python3
"""Computes Mann-Kendall, Theil-Sen and Hodges-Lehmann of the same courses with pymannkendall and scipy.

Courses are JSON lists of daily values on standard input; prints one JSON line: courses, seconds.
"""
import json
import sys
import time

import numpy
import pymannkendall
import scipy.stats

courses = [json.loads(line) for line in sys.stdin]
started = time.perf_counter()
for course in courses:
    pymannkendall.original_test(course)
    scipy.stats.theilslopes(course)
    numpy.median(numpy.subtract.outer(course[:15], course[-16:]))
print(json.dumps({"courses": len(courses), "seconds": time.perf_counter() - started}))
