"""The door third-party weights come in by: registry, cache, sha256, safe loading."""
