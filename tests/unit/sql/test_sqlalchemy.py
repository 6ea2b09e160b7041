import builtins
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.errors import ConfigError, DataError, Text2SQLError
from text2sql_lightning.sql.databases.sqlalchemy import DatabaseUrl
from text2sql_lightning.sql.sample_values import SampleSettings, schema_text

pytestmark = pytest.mark.unit

NONE = SampleSettings()


@pytest.fixture
def sqlalchemy() -> Any:
    return pytest.importorskip("sqlalchemy", reason="the extra [databases] is not installed")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """CREATE TABLE customer (id INTEGER PRIMARY KEY, "Full Name" VARCHAR(80) NOT NULL, city TEXT, photo BLOB);
               CREATE TABLE "order" (id INTEGER, line INTEGER, customer INTEGER REFERENCES customer (id),
                                     PRIMARY KEY (id, line));
               INSERT INTO customer VALUES (1, 'Ann', 'Rome', x'00');"""
        )
    return path


def test_without_sqlalchemy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name.startswith("sqlalchemy"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError) as caught:
        DatabaseUrl("postgresql://user:s3cret@host/shop")
    assert str(caught.value) == (
        "--database_url needs SQLAlchemy, which is not installed: pip install 'text2sql_lightning[databases]'"
    )


@pytest.mark.parametrize(
    ("url", "dialect", "name"),
    [
        ("postgresql+psycopg://user:s3cret@host:5432/shop", "postgres", "postgres:shop"),
        ("mysql+pymysql://user:s3cret@host/shop", "mysql", "mysql:shop"),
        ("mssql+pyodbc://user:s3cret@dsn", "tsql", "tsql:database"),
        ("oracle+oracledb://user:s3cret@host/?service_name=x", "oracle", "oracle:database"),
        ("sqlite:////folder/shop.db", "sqlite", "sqlite:shop.db"),
    ],
)
@pytest.mark.usefixtures("sqlalchemy")
def test_dialect_and_name(url: str, dialect: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = DatabaseUrl(url)
    assert (database.dialect, database.name) == (dialect, name)
    assert database.sqlite_path == (Path("/folder/shop.db") if dialect == "sqlite" else None)
    assert "s3cret" not in f"{database!r} {vars(database)}"
    monkeypatch.setenv("SHOP_URL", url)
    assert DatabaseUrl("env:SHOP_URL").name == name


@pytest.mark.usefixtures("sqlalchemy")
def test_the_schema_with_types_and_keys(shop: Path) -> None:
    database = DatabaseUrl(f"sqlite:///{shop}")
    assert schema_text(database.read_schema(NONE), NONE) == (
        'CREATE TABLE customer (id INTEGER PRIMARY KEY, "Full Name" VARCHAR(80) NOT NULL, city TEXT, photo BLOB); '
        'CREATE TABLE "order" (id INTEGER, line INTEGER, customer INTEGER, PRIMARY KEY (id, line), '
        "FOREIGN KEY (customer) REFERENCES customer (id))"
    )
    samples = SampleSettings(2, ("customer.city",))
    shown = schema_text(database.read_schema(samples), samples)
    assert "\"Full Name\" VARCHAR(80) NOT NULL /* e.g. 'Ann' */, city TEXT, photo BLOB);" in shown
    with pytest.raises(ConfigError, match="--exclude_columns ctiy: no table has such a column"):
        database.read_schema(SampleSettings(2, ("ctiy",)))


@pytest.mark.usefixtures("sqlalchemy")
def test_a_database_without_tables(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sqlite:none\.db has no tables"):
        DatabaseUrl(f"sqlite:///{tmp_path / 'none.db'}").read_schema(NONE)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:p%40ss-s3cret@localhost:1/shop",
        "mysql://user:s3cret@localhost:1/shop",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Ds3cret",
        "postgresql+psycopg2://user@localhost:1/shop?password=s3cret",
        "postgresql+nodriver://user:s3cret@localhost/shop",
        "nodatabase://user:s3cret@localhost/shop",
        "user:s3cret@localhost/shop",
        "postgresql://user:s3cret@localhost:port/shop",
    ],
)
@pytest.mark.usefixtures("sqlalchemy")
def test_no_error_shows_the_password(url: str) -> None:
    with pytest.raises(Text2SQLError) as caught:
        DatabaseUrl(url).read_schema(NONE)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__ or "s3cret" not in str(caught.value.__context__)


@pytest.mark.usefixtures("sqlalchemy")
def test_a_driver_s_message_is_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlalchemy

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("cannot log in at postgresql://user:p%40s@h/x\nwith p@s, PWD=p@s")

    monkeypatch.setattr(sqlalchemy, "create_engine", fail)
    with pytest.raises(DataError) as caught:
        DatabaseUrl("postgresql://user:p%40s@h/x").read_schema(NONE)
    assert str(caught.value) == (
        "--database_url postgres:x: RuntimeError: cannot log in at postgresql://user:***@h/x with ***, PWD=***"
    )


@pytest.mark.usefixtures("sqlalchemy")
def test_an_environment_variable_that_is_not_set() -> None:
    with pytest.raises(ConfigError, match="--database_url env:NO_SUCH_URL: the environment variable is not set"):
        DatabaseUrl("env:NO_SUCH_URL")
