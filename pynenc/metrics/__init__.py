"""The figures of an app, in the text format of Prometheus."""
