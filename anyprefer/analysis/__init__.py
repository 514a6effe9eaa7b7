"""What a preference dataset is like: defects, difficulty, calibration and diversity."""
