"""`python -m bump_edge` is `bump-edge`."""

from bump_edge.cli.app import main

if __name__ == "__main__":
    main()
