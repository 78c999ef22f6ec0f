"""Paste, cut out and inpaint parts of images."""

from .compose import compose_parts

__all__ = ["compose_parts"]
