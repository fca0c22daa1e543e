"""``facesr-bench doctor``: what this machine has and lacks, to paste into a bug report."""
