import pytest

from text2sql_lightning.benchmarks import spider_hub
from text2sql_lightning.benchmarks.spider_hub import hub_databases, hub_spider, read_schema
from text2sql_lightning.errors import DataError

pytestmark = pytest.mark.unit

ROW = {
    "db_id": "zoo",
    "Schema (values (type))": "keeper : Keeper_ID (number) , Full name (text) , Pay (in EUR) (number) | "
    "animal : id (number) , keeper (number)",
    "Primary Keys": "keeper : Keeper_ID | animal : id",
    "Foreign Keys": "animal : keeper equals keeper : Keeper_ID",
}


def test_schema() -> None:
    assert read_schema(ROW).to_ddl() == (
        'CREATE TABLE keeper (Keeper_ID number PRIMARY KEY, "Full name" text, "Pay (in EUR)" number); '
        "CREATE TABLE animal (id number PRIMARY KEY, keeper number, FOREIGN KEY (keeper) REFERENCES keeper (Keeper_ID))"
    )
    without = read_schema({**ROW, "Primary Keys": "", "Foreign Keys": ""})
    assert "KEY" not in without.to_ddl()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("Schema (values (type))", "keeper", "is not `table : ...`"),
        ("Schema (values (type))", "keeper : a, b", "are not `name \\(type\\)"),
        ("Schema (values (type))", 3, "expected a string"),
        ("Foreign Keys", "animal : keeper", "is no foreign key"),
    ],
)
def test_another_form_is_an_error(field: str, value: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_schema({**ROW, field: value})


def test_questions_and_schemas_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {
        "xlangai/spider": [{"db_id": "zoo", "question": "How many?", "query": "SELECT count(*) FROM keeper"}],
        "richardr1126/spider-schema": [ROW, {"db_id": "unused"}],
    }
    monkeypatch.setattr(spider_hub, "load_hub_dataset", lambda name, *_: tables[name])
    examples, schemas = hub_spider()
    assert [example["question"] for example in examples] == ["How many?"]
    assert list(schemas) == ["zoo"]
    tables["richardr1126/spider-schema"] = []
    with pytest.raises(DataError, match="has no schema of zoo"):
        hub_spider()


def test_out_of_reach(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DataError, match="xlangai/spider is not on this machine and the hub cannot be reached"):
        hub_spider()
    assert hub_databases(["zoo"]) is None
    assert "no databases" in caplog.text
