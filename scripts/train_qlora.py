"""Fine-tune with QLoRA by flat flags; it translates to `text2sql fit`."""

from text2sql_lightning.commands.train_qlora import main

if __name__ == "__main__":
    raise SystemExit(main())
