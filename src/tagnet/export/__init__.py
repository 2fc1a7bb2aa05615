"""A bundle for others: formats that are served without tagnet, each checked against the bundle."""
