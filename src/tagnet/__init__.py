"""tagnet: train, calibrate and serve multi-label taggers of text."""
