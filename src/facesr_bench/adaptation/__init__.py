"""Adapting a trained method to another domain by a few pairs of it, and measuring what that brings."""
