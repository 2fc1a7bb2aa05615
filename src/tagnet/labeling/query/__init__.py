"""What to label next: pure functions over saved probabilities, embeddings and ensembles."""
