"""What trains many times: sweeps, and what they found."""
