"""Whether a method keeps what the harness relies on: about 25 ticks, in minutes on a CPU."""
