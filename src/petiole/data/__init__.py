"""The data: where photos and digits come from, how they are checked, decoded once and turned into batches."""
