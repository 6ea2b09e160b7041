"""Score SQL on records: the same as `text2sql evaluate`."""

from text2sql_lightning.commands.evaluate import main

if __name__ == "__main__":
    raise SystemExit(main())
