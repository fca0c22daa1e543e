"""``leaderboard --html``: a static site of the finished runs, for any browser and any host."""
