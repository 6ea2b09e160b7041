"""Schemas about companies, their staff and their clients."""

from typing import Final

from text2sql_lightning.sample.domain import Domain, date, domain, label, mix, number, ref, table, text, year
from text2sql_lightning.sample.pools import CITIES, PEOPLE

DOMAINS: Final[tuple[Domain, ...]] = (
    domain(
        "company",
        table(
            "department",
            label("name", mix("North|South|Central|Digital", "Sales|Finance|Support|Design|Legal")),
            text("city", CITIES, "in"),
            number("budget", 20000, 900000, sums=True),
        ),
        table(
            "worker",
            label("name", PEOPLE),
            text("job", "analyst|clerk|designer|engineer|manager"),
            number("age", 20, 66),
            number("salary", 28000, 120000, sums=True),
            ref("department"),
        ),
        fk_clause=True,
    ),
    domain(
        "bank",
        table(
            "branch",
            label("name", mix("Main|Park|River|Station|Castle", "Street|Square|Avenue|Road")),
            text("city", CITIES, "in"),
            year("opening_year", 1950, 2020),
        ),
        table(
            "account",
            text("owner", "Anna Berg|Ben Costa|Grace Ito|Hugo Lopez|Tara Patel"),
            text("type", "business|checking|savings|student"),
            number("balance", 10, 60000, sums=True),
            ref("branch"),
        ),
    ),
    domain(
        "insurance",
        table(
            "claim",
            text("customer", "Acme|Borealis|Cedar|Delta|Elmwood|Fjord"),
            text("type", "fire|flood|health|theft|travel"),
            number("amount", 100, 25000, sums=True),
            date("claim_date", 2020, 2024),
            date("payment_date", 2020, 2024, nulls=0.35),
            text("status", "approved|denied|open"),
        ),
    ),
    domain(
        "support_desk",
        table(
            "agent",
            label("name", PEOPLE),
            text("team", "billing|hardware|network|sales"),
            number("salary", 24000, 70000, sums=True),
        ),
        table(
            "ticket",
            text("priority", "high|low|medium|urgent"),
            text("status", "closed|open|waiting"),
            date("creation_date", 2022, 2024),
            number("rating", 1, 10, nulls=0.25),
            ref("agent"),
        ),
    ),
    domain(
        "phone_company",
        table(
            "subscriber",
            label("name", PEOPLE),
            text("city", CITIES, "in"),
            text("plan", "basic|family|senior|student"),
            number("age", 16, 90),
            date("start_date", 2015, 2024),
            text("email", "a@example.com|b@example.com|c@example.org|d@example.net", nulls=0.35),
        ),
    ),
    domain(
        "parcels",
        table("courier", label("name", PEOPLE), text("transport", "bike|car|truck|van"), number("age", 18, 65)),
        table(
            "parcel",
            text("city", CITIES, "to"),
            number("weight", 1, 31, "in kg", sums=True),
            date("delivery_date", 2022, 2024),
            number("price", 4, 60, sums=True),
            ref("courier"),
        ),
    ),
)
