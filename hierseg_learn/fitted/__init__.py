"""The one way into a fitted pipeline."""
