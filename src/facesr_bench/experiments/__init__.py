"""Experiments that are a paper's table: many runs, some on the weights of others, resumed together."""
