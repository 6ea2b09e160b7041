"""The hand-written schemas, a file for each field of life."""

from typing import Final

from text2sql_lightning.sample.domain import Domain
from text2sql_lightning.sample.schemas import (
    building,
    commerce,
    culture,
    earth,
    food,
    learning,
    living,
    offices,
    public_life,
    sport,
    technology,
    travel,
)

DOMAINS: Final[tuple[Domain, ...]] = (
    *culture.DOMAINS,
    *commerce.DOMAINS,
    *offices.DOMAINS,
    *travel.DOMAINS,
    *food.DOMAINS,
    *living.DOMAINS,
    *earth.DOMAINS,
    *learning.DOMAINS,
    *sport.DOMAINS,
    *public_life.DOMAINS,
    *technology.DOMAINS,
    *building.DOMAINS,
)
"""Every domain; no two share a table name."""
