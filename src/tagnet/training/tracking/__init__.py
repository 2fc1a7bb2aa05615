"""Experiment tracking: what a run says to TensorBoard, MLflow, Weights & Biases or trackio, each step once."""
