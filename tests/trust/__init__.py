"""What bump-edge promises about privacy and loss, as gates: ``python -m tests.trust [--long] [NAME…]``."""
