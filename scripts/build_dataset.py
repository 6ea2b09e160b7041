"""Build records: the same as `text2sql build`."""

from text2sql_lightning.commands.build import main

if __name__ == "__main__":
    raise SystemExit(main())
