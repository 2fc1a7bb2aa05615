"""Label Studio over its REST API: tasks out, answers back, and how things stand."""
