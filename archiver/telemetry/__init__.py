"""What a machine hears of a run: metrics, pings, alerts, log lines. None of it can make a run fail."""
