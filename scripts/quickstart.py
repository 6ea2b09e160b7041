"""Base against tuned accuracy: the same as `text2sql quickstart`."""

from text2sql_lightning.commands.quickstart import main

if __name__ == "__main__":
    raise SystemExit(main())
