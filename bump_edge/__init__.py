"""bump-edge: interaction logs go in, a short readable profile of their user comes out; the logs stay where they are."""

__version__ = "0.1.0"
