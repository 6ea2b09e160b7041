"""Schemas about charity, politics, courts, the press and the cinema."""

from typing import Final

from text2sql_lightning.sample.domain import (
    Bridge,
    Domain,
    count,
    date,
    domain,
    label,
    mix,
    names,
    number,
    ref,
    table,
    text,
    year,
)
from text2sql_lightning.sample.pools import CITIES, COUNTRIES, PEOPLE

DOMAINS: Final[tuple[Domain, ...]] = (
    domain(
        "charity",
        table("donor", label("name", PEOPLE), text("country", COUNTRIES, "from"), number("age", 20, 88)),
        table(
            "donation",
            number("amount", 5, 5000, sums=True),
            date("donation_date", 2021, 2024),
            text("method", "card|cash|check"),
            ref("donor"),
        ),
    ),
    domain(
        "elections",
        table(
            "party",
            label("name", mix("Liberal|Green|Social|National|People", "Union|Alliance|Front|Movement")),
            text("color", "blue|green|red|yellow"),
            year("founding_year", 1900, 2018),
        ),
        table(
            "candidate",
            label("name", PEOPLE),
            text("district", "Eastham|Northgate|Riverton|Southport|Westfield", "from"),
            number("age", 22, 78),
            count("votes", 900, 48000),
            ref("party"),
        ),
    ),
    domain(
        "courts",
        table("judge", label("name", PEOPLE), text("court", "appeals|civil|criminal|family"), number("age", 35, 70)),
        table(
            "trial",
            text("topic", "contract|divorce|fraud|property|theft"),
            date("start_date", 2018, 2023),
            date("end_date", 2020, 2024, nulls=0.3),
            text("result", "dismissed|settled|won"),
            ref("judge"),
        ),
        text_type="VARCHAR",
    ),
    domain(
        "newspaper",
        table(
            "journalist",
            label("name", PEOPLE),
            text("topic", "culture|economy|politics|science|sport"),
            number("salary", 22000, 90000, sums=True),
        ),
        table(
            "article",
            label(
                "title",
                mix("Rising|Hidden|Secret|Final|Surprising|Quiet", "Costs|Talks|Votes|Records|Plans|Deals|Doubts"),
            ),
            date("publication_date", 2021, 2024),
            count("words", 150, 2600),
            count("comments", 0, 700),
            ref("journalist"),
        ),
    ),
    domain(
        "cinemas",
        table(
            "cinema",
            label("name", mix("Astoria|Capitol|Lumiere|Odeon|Rialto|Tivoli", "Palace|Plaza|Park")),
            text("city", CITIES, "in"),
            number("capacity", 60, 1200),
        ),
        table(
            "film",
            label("title", mix("Crimson|Electric|Faraway|Lonely", "Sky|Parade|Harbor|Knight|Echoes|Planet")),
            text("language", "English|French|Hindi|Spanish"),
            year("year", 1990, 2024),
        ),
        table(
            "screening",
            ref("cinema"),
            ref("film"),
            date("screening_date", 2022, 2024),
            bridge=Bridge("cinema", "showing", "film", "shown in"),
        ),
        table(
            "cinema_ticket",
            ref("screening"),
            text("type", "adult|child|senior|student"),
            number("price", 5, 30, sums=True),
        ),
    ),
    domain(
        "cities",
        table(
            "town",
            label(
                "name",
                names(
                    "Alden|Barrow|Camber|Dorset|Elton|Fairview|Grafton|Hadley|Ivydale|Jasper|Kingsley|Lowell|Marlow|Newport|Oakham|Preston|Quincy|Ripley|Stanton|Tilbury|Upton|Vernon|Walden|Yarrow"
                ),
            ),
            text("state", "Florida|Georgia|Ohio|Texas|Utah", "in"),
            text("mayor", "Anna Berg|Ben Costa|Laura Kaya|Victor Moreau"),
            number("population", 800, 90000, sums=True),
            number("area", 10, 700),
            year("founding_year", 1700, 1950),
        ),
    ),
)
