"""Fine-tune with QLoRA by flat flags; it translates to `text2sql fit`."""

from text2sql_lightning.commands.fit import train_qlora

if __name__ == "__main__":
    raise SystemExit(train_qlora())
