"""The conformance suite: what every method, wrapper and task owes, for built-in plugins and for those of users alike."""
