"""What a transformer has to beat, on the same split."""
