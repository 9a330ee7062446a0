"""How good a model is: judged by signs of its own, and against references."""
