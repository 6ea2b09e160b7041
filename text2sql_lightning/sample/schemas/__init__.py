"""The hand-written schemas, a file for each field of life."""

from typing import Final

from text2sql_lightning.sample.domain import Domain
from text2sql_lightning.sample.schemas import commerce, culture, industry, nature, people, travel

DOMAINS: Final[tuple[Domain, ...]] = (
    *culture.DOMAINS,
    *commerce.DOMAINS,
    *travel.DOMAINS,
    *nature.DOMAINS,
    *people.DOMAINS,
    *industry.DOMAINS,
)
"""Every domain; no two share a table name."""
