"""The engine behind triggers: catalog, watch, evidence, matching, firing and delivery."""
