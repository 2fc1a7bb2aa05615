"""The straight line from prepared records to a bundle."""
