"""Plugin discovery: hook specifications, component specs and the registry."""
