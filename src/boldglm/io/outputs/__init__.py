"""What boldglm writes: names of derivatives, records, design files, the cache of fits."""
