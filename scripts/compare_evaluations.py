"""Compare two evaluations: the same as `text2sql compare`."""

from text2sql_lightning.commands.compare import main

if __name__ == "__main__":
    raise SystemExit(main())
