"""`python -m fourtuple`, the same as the command `fourtuple`."""

from .cli.main import main

if __name__ == "__main__":
    main()
