"""Paste, cut out and inpaint parts of images."""
