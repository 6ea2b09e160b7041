"""A database behind a SQLAlchemy URL: its dialect and its schema. What the URL keeps secret is in no message."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, quote_plus

from text2sql_lightning.errors import ConfigError, DataError, hide_passwords, missing_extra
from text2sql_lightning.sql.ddl import Column, ForeignKey, Table
from text2sql_lightning.sql.sample_values import ROWS_LOOKED_AT, SampleSettings, add_sample_values
from text2sql_lightning.sql.schema import Schema

if TYPE_CHECKING:
    from sqlalchemy import Connection, Inspector
    from sqlalchemy.engine import URL

_FLAG: Final = "--database_url"
_FROM_ENVIRONMENT: Final = "env:"
_DIALECTS: Final = {
    "awsathena": "athena", "bigquery": "bigquery", "clickhouse": "clickhouse", "clickhousedb": "clickhouse",
    "cockroachdb": "postgres", "databricks": "databricks", "duckdb": "duckdb", "exa": "exasol", "hive": "hive",
    "mariadb": "mysql", "mssql": "tsql", "mysql": "mysql", "oracle": "oracle", "postgresql": "postgres",
    "presto": "presto", "redshift": "redshift", "snowflake": "snowflake", "sqlite": "sqlite",
    "starrocks": "starrocks", "teradatasql": "teradata", "trino": "trino",
}  # fmt: skip
"""SQLAlchemy's names of databases and sqlglot's names of their dialects."""

_COLLATION: Final = re.compile(r"\s+(?:CHARACTER SET|COLLATE)\s+\S+", re.I)


class DatabaseUrl:
    """A database that is reached through SQLAlchemy.

    Attributes:
        dialect: Its SQL dialect, by sqlglot's name.
        name: `dialect:database`, without host and user: what records and reports call it.
        sqlite_path: The file, where it is a SQLite database.
    """

    def __init__(self, text: str) -> None:
        """Take a URL apart; nothing is connected yet.

        Args:
            text: `dialect+driver://user:password@host/database`, or `env:NAME` for the environment variable that
                holds it, which keeps the password out of the shell's history and of the list of processes.

        Raises:
            ConfigError: SQLAlchemy is not installed, or this is no URL of a database whose dialect is known.
        """
        self._url = _parse(_from_environment(text))
        backend = self._url.get_backend_name()
        if backend not in _DIALECTS:
            raise ConfigError(f"{_FLAG}: no dialect is known for {backend}; known are {', '.join(_DIALECTS)}")
        self.dialect = _DIALECTS[backend]
        self.name = f"{self.dialect}:{Path(self._url.database or 'database').name}"
        self.sqlite_path = Path(self._url.database) if backend == "sqlite" and self._url.database else None

    def read_schema(self, samples: SampleSettings) -> Schema:
        """Read the tables of the default schema: columns, types and keys, and sample values where wanted.

        Args:
            samples: How many values of which columns.

        Returns:
            The schema, tables in order of their names.

        Raises:
            ConfigError: The database's driver is not installed.
            DataError: The database cannot be reached or read, or has no table.
        """
        from sqlalchemy import create_engine, inspect
        from sqlalchemy.exc import NoSuchModuleError
        from sqlalchemy.pool import NullPool

        try:
            engine = create_engine(self._url, poolclass=NullPool, hide_parameters=True)
            with engine.connect() as connection:
                schema = _read_schema(inspect(connection))
                samples.check_names([schema])
                schema = add_sample_values(
                    schema, samples, lambda table, column: _read_values(connection, table, column)
                )
        except (ConfigError, DataError):
            raise
        except (ImportError, NoSuchModuleError) as error:
            raise ConfigError(
                f"{_FLAG} {self.name}: the driver is not installed ({self._hide(str(error))}); pip install it"
            ) from None
        except Exception as error:  # drivers raise what they like, and a traceback would show the URL
            raise DataError(f"{_FLAG} {self.name}: {type(error).__name__}: {self._hide(str(error))}") from None
        if not schema.tables:
            raise DataError(f"{_FLAG} {self.name} has no tables in its default schema, or this user may not see them")
        return schema

    def _hide(self, message: str) -> str:
        """Return the start of a driver's message without anything that the URL keeps secret."""
        password = str(self._url.password or "")
        values = [str(value) for value in self._url.query.values()]
        for secret in filter(None, (password, quote(password, safe=""), quote_plus(password), *values)):
            message = message.replace(secret, "***")
        return hide_passwords(" ".join(message.split()))[:300]


def _from_environment(text: str) -> str:
    if not text.startswith(_FROM_ENVIRONMENT):
        return text
    name = text.removeprefix(_FROM_ENVIRONMENT)
    if not os.environ.get(name):
        raise ConfigError(f"{_FLAG} {hide_passwords(text)}: the environment variable is not set")
    return os.environ[name]


def _parse(text: str) -> "URL":
    try:
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError
    except ImportError as error:
        raise missing_extra(_FLAG, "SQLAlchemy", "databases") from error
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigError(
            f"{_FLAG}: not a URL of the form dialect+driver://host:port/database (with user and password in front of "
            "the host, special characters percent-encoded); it is not shown here, for it may hold a password"
        ) from None


def _read_schema(inspector: "Inspector") -> Schema:
    return Schema(tuple(_read_table(inspector, name) for name in sorted(inspector.get_table_names())))


def _read_table(inspector: "Inspector", name: str) -> Table:
    keys = set(inspector.get_pk_constraint(name).get("constrained_columns") or ())
    columns = tuple(
        Column(str(entry["name"]), _type_text(inspector, entry["type"]), entry["name"] in keys, not entry["nullable"])
        for entry in inspector.get_columns(name)
    )
    foreign_keys = tuple(
        ForeignKey(column, str(key["referred_table"]), target)
        for key in inspector.get_foreign_keys(name)
        for column, target in zip(key["constrained_columns"], key["referred_columns"], strict=True)
    )
    return Table(name, columns, foreign_keys)


def _type_text(inspector: "Inspector", kind: Any) -> str:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return _COLLATION.sub("", str(kind.compile(dialect=inspector.dialect)))
    except SQLAlchemyError:  # a type that SQLAlchemy does not know
        return ""


def _read_values(connection: "Connection", table: Table, column: Column) -> Iterable[object]:
    from sqlalchemy import column as column_of
    from sqlalchemy import select
    from sqlalchemy import table as table_of

    wanted: Any = column_of(column.name)
    query = select(wanted).select_from(table_of(table.name)).where(wanted.is_not(None)).limit(ROWS_LOOKED_AT)
    values: Iterable[object] = connection.execute(query).scalars()
    return values
