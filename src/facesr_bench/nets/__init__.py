"""Networks of other people, rebuilt to take their published weights: plain modules, differentiable."""
