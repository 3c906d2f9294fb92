"""How a model learns and is judged."""
