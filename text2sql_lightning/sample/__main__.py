"""Write the embedded sample: `python -m text2sql_lightning.sample --out data/sample/rows.jsonl.gz`."""

from text2sql_lightning.sample.writing import main

if __name__ == "__main__":
    main()
