"""What is done to a photo network on its way to a small one: transfer, pruning, quantization; for lab and search."""
