"""What several tests make or start: shard sets, clips, models, servers. No tests here."""
