"""Score SQL on Spider dev: the same as `text2sql spider`."""

from text2sql_lightning.commands.spider import main

if __name__ == "__main__":
    raise SystemExit(main())
