"""The storage port: records, queues, signals and blobs, and the drivers for it."""
