"""The command line as `python -m pynenc`."""

from pynenc.cli.main import main

if __name__ == "__main__":
    main()
